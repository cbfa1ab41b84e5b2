"""Tokens made by hand, for what the libraries are too decent to make."""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

AUDIENCE = "https://api.example"
ISSUER = "https://issuer.example"


def b64(data):
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def number(value):
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
SECRET = bytes(range(64))

#: Whose key belongs to which algorithm; each is published under the algorithm's name.
KEYS = {
    "RS256": RSA, "RS384": RSA, "RS512": RSA, "PS256": RSA, "PS384": RSA, "PS512": RSA,
    "ES256": P256, "ES384": P384, "EdDSA": ED25519,
}


def private_pem(key):
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*encoding).decode()


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_der(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def jwk(key, **members):
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = public.public_numbers()
        found = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        numbers, size = public.public_numbers(), key.key_size // 8
        coordinates = {name: b64(getattr(numbers, name).to_bytes(size, "big")) for name in "xy"}
        found = {"kty": "EC", "crv": f"P-{key.key_size}", **coordinates}
    else:
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        found = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
    return {**found, **members}


def jwks():
    return json.dumps({"keys": [jwk(key, alg=alg, kid=alg, use="sig") for alg, key in KEYS.items()]})


def secret_jwks():
    return json.dumps({"keys": [{"kty": "oct", "k": b64(SECRET), "alg": alg, "kid": alg} for alg in ("HS256", "HS384", "HS512")]})


def claims(**others):
    now = int(time.time())
    found = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 300, **others}
    return {name: value for name, value in found.items() if value is not ...}


def header(alg="ES256", **others):
    found = {"alg": alg, "kid": alg, **others}
    return {name: value for name, value in found.items() if value is not ...}


def text(value):
    return value if isinstance(value, str) else json.dumps(value)


def signature(alg, message, key=None):
    key = key or KEYS[alg]
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}.get(alg[2:])
    if alg.startswith("RS"):
        return key.sign(message, padding.PKCS1v15(), digest)
    if alg.startswith("PS"):
        return key.sign(message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    if alg.startswith("ES"):
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
        size = key.key_size // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return key.sign(message)


def token(head=None, body=None, by="ES256", key=None):
    """Header and claims as they are given, texts or not, under a good signature by `by`."""
    message = f"{b64(text(head if head is not None else header()))}.{b64(text(body if body is not None else claims()))}"
    return f"{message}.{b64(signature(by, message.encode(), key))}"


def mac(secret, head, body=None, hash_=hashlib.sha256):
    message = f"{b64(text(head))}.{b64(text(body if body is not None else claims()))}"
    return f"{message}.{b64(hmac.new(secret, message.encode(), hash_).digest())}"


def with_signature(data, head=None, body=None):
    return f"{b64(text(head if head is not None else header()))}.{b64(text(body if body is not None else claims()))}.{b64(data)}"
