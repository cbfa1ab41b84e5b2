//! RSA keys of the generator that was broken in 2017 (ROCA, CVE-2017-15361): found in smart cards and security modules, and factored by
//! anybody who pays for the computing. [Nemec et al., *The Return of Coppersmith's Attack*](https://doi.org/10.1145/3133956.3133969), §2.2.

/// The odd primes whose product the generator built its primes around, for every length of key that is allowed.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127,
    131, 137, 139, 149, 151, 157, 163, 167,
];

/// The generator's factors are powers of this number modulo each of the primes, and so is their product.
const BASE: u32 = 65_537;

/// Whether a modulus has the fingerprint. One in a hundred million of other keys has it by chance.
pub(super) fn is_marked(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| is_power(remainder(modulus, *prime), *prime))
}

fn remainder(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime)
}

fn is_power(number: u32, prime: u32) -> bool {
    let mut power = 1;
    for _ in 0..prime {
        if power == number {
            return true;
        }
        power = power * (BASE % prime) % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers() {
        for (number, prime, expected) in [(1, 3, true), (0, 3, false), (65_537 % 37, 37, true), (2, 11, false), (10, 11, true)] {
            assert_eq!(is_power(number, prime), expected, "{number} modulo {prime}");
        }
    }

    #[test]
    fn remainders() {
        for (number, prime, expected) in
            [(&[1, 0][..], 3, 1), (&[], 3, 0), (&[0xff; 256], 17, 0), (&[1, 0, 1], 167, 65_537 % 167)]
        {
            assert_eq!(remainder(number, prime), expected, "{number:?}");
        }
    }

    /// A number of the generator's form, and its neighbour.
    #[test]
    fn the_mark() {
        let marked = BASE.pow(1).to_be_bytes();
        assert!(is_marked(&marked));
        assert!(!is_marked(&(BASE + 2).to_be_bytes()));
    }
}
