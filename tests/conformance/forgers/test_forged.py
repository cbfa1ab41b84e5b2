"""What must not be taken. Everything here is refused in one and the same way, whatever is wrong with it."""

import base64
import datetime
import hashlib
import json
import time

import forge
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from joserfc import jwe
from joserfc.jwk import OctKey

MALLORY = ec.generate_private_key(ec.SECP256R1())


def certificate():
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mallory")])
    now = datetime.datetime.now(datetime.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(MALLORY.public_key())
    built = built.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return base64.b64encode(built.sign(MALLORY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)).decode()


def refused(server, token):
    answer = server.me(token)
    token = token.decode("latin-1") if isinstance(token, bytes) else token
    assert answer.status == 401, answer.text
    assert answer.challenge.startswith('Bearer error="invalid_token"') or 'error="invalid_token"' in answer.challenge
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == 401
    # Nothing of it comes back: not in the answer, and not into what the server writes.
    segments = [segment for segment in token.split(".") if len(segment) > 15]
    for seen in (answer.text, str(answer.headers), server.log()):
        assert not any(segment in seen for segment in segments)


def table(rows):
    return pytest.mark.parametrize("token", [pytest.param(make, id=name) for name, make in rows.items()])


def unsigned(alg, **others):
    return lambda: forge.with_signature(b"", forge.header(alg, kid="ES256", **others))


UNSIGNED = {
    "PyJWT's none": lambda: jwt.encode(forge.claims(), None, algorithm="none"),
    "none": unsigned("none"),
    "None": unsigned("None"),
    "NONE": unsigned("NONE"),
    "nOnE": unsigned("nOnE"),
    "none and a space": unsigned("none "),
    "none and nothing": unsigned("none\0"),
    "empty": unsigned(""),
    "null": unsigned(None),
    "a list": unsigned(["ES256"]),
    "a number": unsigned(0),
    "missing": lambda: forge.with_signature(b"", {"kid": "ES256"}),
    "none without a kid": lambda: forge.with_signature(b"", {"alg": "none"}),
    "none, but signed": lambda: forge.token(forge.header("none", kid="ES256")),
    "the right name, no signature": lambda: forge.with_signature(b""),
    "no signature, no dot": lambda: forge.with_signature(b"").rstrip("."),
}


@table(UNSIGNED)
def test_unsigned(public, secret, token):
    refused(public, token())
    refused(secret, token())


CONFUSED = {
    f"{alg}'s public key as a secret: {form}": (lambda alg=alg, make=make: forge.mac(make(alg), {"alg": "HS256", "kid": alg}))
    for alg in ("RS256", "ES256", "EdDSA")
    for form, make in {
        "PEM": lambda alg: forge.public_pem(forge.KEYS[alg]),
        "PEM without its last line end": lambda alg: forge.public_pem(forge.KEYS[alg]).strip(),
        "DER": lambda alg: forge.public_der(forge.KEYS[alg]),
        "JWK": lambda alg: json.dumps(forge.jwk(forge.KEYS[alg])).encode(),
        "the whole key set": lambda alg: forge.jwks().encode(),
    }.items()
} | {
    "no secret at all": lambda: forge.mac(b"", {"alg": "HS256"}),
    "HS256 without a kid": lambda: forge.mac(forge.public_pem(forge.RSA), {"alg": "HS256"}),
    "RS256 by the key for PS256": lambda: forge.token({"alg": "RS256", "kid": "PS256"}, by="RS256"),
    "PS256 that calls itself RS256": lambda: forge.token(forge.header("RS256"), by="PS256"),
    "RS384 that calls itself RS256": lambda: forge.token(forge.header("RS256"), by="RS384"),
    "ES256 by a key for ES384": lambda: forge.token(forge.header("ES256"), by="ES384"),
    "ES256K": lambda: forge.token(forge.header("ES256K", kid="ES256")),
    "ES512": lambda: forge.token(forge.header("ES512", kid="ES384"), by="ES384"),
    "RS1": lambda: forge.token(forge.header("RS1", kid="RS256"), by="RS256"),
    "es256": lambda: forge.token(forge.header("es256", kid="ES256")),
    "the signature in DER": lambda: der_signature(),
    "a foreign curve in DER and a name for RSA": lambda: forge.token(forge.header("RS256"), by="ES256"),
}


def der_signature():
    message = f"{forge.b64(json.dumps(forge.header()))}.{forge.b64(json.dumps(forge.claims()))}"
    return f"{message}.{forge.b64(forge.P256.sign(message.encode(), ec.ECDSA(hashes.SHA256())))}"


@table(CONFUSED)
def test_algorithm_confusion(public, token):
    refused(public, token())


@table(
    {
        "another secret": lambda: forge.mac(b"x" * 64, {"alg": "HS256", "kid": "HS256"}),
        "no secret": lambda: forge.mac(b"", {"alg": "HS256", "kid": "HS256"}),
        "a byte short": lambda: forge.mac(forge.SECRET[:-1], {"alg": "HS256", "kid": "HS256"}),
        "SHA-512 that calls itself SHA-256": lambda: forge.mac(forge.SECRET, {"alg": "HS256", "kid": "HS256"}, hash_=hashlib.sha512),
        "HS384 by the key for HS256": lambda: forge.mac(forge.SECRET, {"alg": "HS384", "kid": "HS256"}, hash_=hashlib.sha384),
        "half a tag": lambda: forge.mac(forge.SECRET, {"alg": "HS256", "kid": "HS256"})[:-22],
        "an asymmetric name": lambda: forge.mac(forge.SECRET, {"alg": "RS256", "kid": "HS256"}),
    }
)
def test_secrets(secret, token):
    refused(secret, token())


@table(
    {
        "another key": lambda: forge.token(key=MALLORY),
        "zeros": lambda: forge.with_signature(bytes(64)),
        "ones": lambda: forge.with_signature(b"\1" * 64),
        "the order of the curve": lambda: forge.with_signature(
            bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551") * 2
        ),
        "longer by a byte": lambda: forge.token() + "AA",
        "the signature of other claims": lambda: f"{forge.token(body=forge.claims(sub='mallory')).rpartition('.')[0]}."
        + forge.token().rpartition(".")[2],
        "a header moved": lambda: f"{forge.b64(json.dumps(forge.header(x=1)))}.{forge.token().partition('.')[2]}",
        "Ed25519 of zeros": lambda: forge.with_signature(bytes(64), forge.header("EdDSA")),
        "RSA of zeros": lambda: forge.with_signature(bytes(256), forge.header("RS256")),
        "RSA of one": lambda: forge.with_signature(bytes(255) + b"\1", forge.header("RS256")),
    }
)
def test_signatures(public, token):
    refused(public, token())


def embedded(**others):
    return lambda: forge.token({"alg": "ES256", **others}, key=MALLORY)


@table(
    {
        "jwk": embedded(jwk=forge.jwk(MALLORY)),
        "jwk and the good kid": embedded(jwk=forge.jwk(MALLORY), kid="ES256"),
        "jwk with the good kid": embedded(jwk=forge.jwk(MALLORY, kid="ES256")),
        "jwk of a secret": lambda: forge.mac(
            b"x" * 32, {"alg": "HS256", "jwk": {"kty": "oct", "k": forge.b64("x" * 32), "alg": "HS256"}}
        ),
        "jku": embedded(jku="http://127.0.0.1:9/jwks.json"),
        "jku of a file": embedded(jku="file:///etc/passwd"),
        "x5u": embedded(x5u="http://127.0.0.1:9/cert.pem"),
        "x5c": embedded(x5c=[certificate()]),
    }
)
def test_keys_that_the_token_brings(public, token):
    refused(public, token())


@table(
    {
        name: (lambda kid=kid: forge.mac(b"", {"alg": "HS256", "kid": kid}))
        for name, kid in {
            "a file without content": "../../../../../../dev/null",
            "a file": "/proc/sys/kernel/randomize_va_space",
            "SQL": "x' UNION SELECT 'k';--",
            "a command": "| sleep 5",
            "a line break": "ES256\r\nX-Admin: 1",
            "nothing": "",
            "a zero byte": "ES256\0",
            "a URL": "http://127.0.0.1:9/",
            "five thousand letters": "k" * 5000,
            "by case": "es256",
        }.items()
    }
    | {
        f"of another type: {kid!r}": (lambda kid=kid: forge.token({"alg": "ES256", "kid": kid}))
        for kid in (1, True, None, ["ES256"], {"kid": "ES256"})
    }
    | {"signed, by an unknown one": lambda: forge.token(forge.header(kid="../ES256"))}
)
def test_key_ids(public, token):
    refused(public, token())


@table(
    {
        "crit": lambda: forge.token(forge.header(crit=["x"], x=1)),
        "crit of a claim": lambda: forge.token(forge.header(crit=["exp"])),
        "crit empty": lambda: forge.token(forge.header(crit=[])),
        "crit null": lambda: forge.token(forge.header(crit=None)),
        "crit of b64": lambda: forge.token(forge.header(crit=["b64"], b64=True)),
        "b64 false": lambda: forge.token(forge.header(b64=False)),
        "PyJWT's detached payload": lambda: jwt.api_jws.encode(
            json.dumps(forge.claims()).encode(), forge.P256, "ES256", headers={"kid": "ES256"}, is_payload_detached=True
        ),
        "typ of a logout": lambda: forge.token(forge.header(typ="logout+jwt")),
        "typ of a proof": lambda: forge.token(forge.header(typ="dpop+jwt")),
        "typ of an event": lambda: forge.token(forge.header(typ="secevent+jwt")),
        "typ of another type": lambda: forge.token(forge.header(typ=["JWT"])),
        "the header a list": lambda: forge.token('["ES256"]'),
        "the header nothing": lambda: forge.token(""),
        "the header with a mark in front": lambda: forge.token("\ufeff" + json.dumps(forge.header())),
        "two headers": lambda: forge.token(json.dumps(forge.header()) * 2),
        "encrypted": lambda: jwe.encrypt_compact(
            {"alg": "dir", "enc": "A256GCM"}, json.dumps(forge.claims()), OctKey.import_key(bytes(32))
        ),
        "nested in another": lambda: forge.token(forge.header(cty="JWT"), forge.token()),
    }
)
def test_headers(public, token):
    refused(public, token())


def twice(value, member):
    return json.dumps(value).replace("{", "{" + member + ",", 1)


@table(
    {
        "alg, first none": lambda: forge.token(twice(forge.header(), '"alg":"none"')),
        "alg, the same": lambda: forge.token(twice(forge.header(), '"alg":"ES256"')),
        "kid": lambda: forge.token(twice(forge.header(), '"kid":"RS256"')),
        "sub": lambda: forge.token(body=twice(forge.claims(), '"sub":"admin"')),
        "aud": lambda: forge.token(body=twice(forge.claims(aud="https://other.example"), f'"aud":"{forge.AUDIENCE}"')),
        "exp": lambda: forge.token(body=twice(forge.claims(exp=1), '"exp":9999999999')),
        "exp by escape": lambda: forge.token(body=twice(forge.claims(exp=1), '"\\u0065xp":9999999999')),
        "a claim of ours": lambda: forge.token(body=twice(forge.claims(role="user"), '"role":"admin"')),
        "deeper": lambda: forge.token(body=twice(forge.claims(), '"realm_access":{"roles":[],"roles":["admin"]}')),
    }
)
def test_duplicate_members(public, token):
    refused(public, token())


def rows_of(claim, values):
    return {f"{claim}: {value!r:.40}": (lambda value=value: forge.token(body=forge.claims(**{claim: value}))) for value in values}


WRONG = ["9999999999", None, True, [9999999999], {"at": 9999999999}, -1, float("nan"), float("inf"), 9999999999999, "", []]


@table(
    rows_of("exp", [..., 0, 1, *WRONG])
    | rows_of("nbf", WRONG)
    | rows_of("iat", WRONG)
    | rows_of("aud", [..., None, "", [], 42, {}, True, [42], [forge.AUDIENCE, 42], forge.AUDIENCE + "/", forge.AUDIENCE.upper(), [[forge.AUDIENCE]]])
    | rows_of("iss", [..., None, "", 42, [forge.ISSUER], {}, forge.ISSUER + "/", forge.ISSUER.upper(), "https://issuer.example.evil"])
    | rows_of("sub", [42, None, ["alice"], {}])
    | rows_of("jti", [42, None, []])
    | rows_of("scope", [42, {"admin": True}, [1], None])
    | {
        "an hour too late": lambda: forge.token(body=forge.claims(exp=int(time.time()) - 3600)),
        "a second too late": lambda: forge.token(body=forge.claims(exp=int(time.time()) - 1)),
        "an hour too early": lambda: forge.token(body=forge.claims(nbf=int(time.time()) + 3600)),
        "issued in an hour": lambda: forge.token(body=forge.claims(iat=int(time.time()) + 3600)),
        "an exponent beyond floats": lambda: forge.token(body=json.dumps(forge.claims(exp=...))[:-1] + ',"exp":1e400}'),
        "claims a list": lambda: forge.token(body="[]"),
        "claims nothing": lambda: forge.token(body=" "),
        "claims and more": lambda: forge.token(body=json.dumps(forge.claims()) + "{}"),
        "claims with a comment": lambda: forge.token(body="/**/" + json.dumps(forge.claims())),
        "claims nested beyond reason": lambda: forge.token(
            body=json.dumps(forge.claims())[:-1] + ',"x":' + "[" * 2000 + "]" * 2000 + "}"
        ),
        "claims not UTF-8": lambda: not_utf8(),
    }
)
def test_claims(public, token):
    refused(public, token())


def not_utf8():
    body = json.dumps(forge.claims()).encode().replace(b"alice", b"al\xffce")
    message = f"{forge.b64(json.dumps(forge.header()))}.{forge.b64(body)}"
    return f"{message}.{forge.b64(forge.signature('ES256', message.encode()))}"


@table(
    {
        "padding": lambda: forge.token() + "=",
        "padding within": lambda: forge.token().replace(".", "=.", 1),
        "a second spelling": lambda: second_spelling(forge.token()),
        "one segment": lambda: "x",
        "two": lambda: "a.b",
        "four": lambda: forge.token() + ".x",
        "five": lambda: "a.b.c.d.e",
        "dots": lambda: "." * 1000,
        "a dot in front": lambda: "." + forge.token(),
        "nine thousand letters": lambda: "a" * 9000,
        "a good one that is too long": lambda: forge.token(body=forge.claims(x="y" * 9000)),
        "as JSON": lambda: json.dumps(dict(zip(("protected", "payload", "signature"), forge.token().split(".")))),
        "in quotes": lambda: f'"{forge.token()}"',
        "two with a comma": lambda: f"{forge.token()},{forge.token()}",
        "two with a space": lambda: f"{forge.token()} {forge.token()}",
        "not ASCII": lambda: "ä.ö.ü".encode(),
    }
)
def test_shapes(public, token):
    refused(public, token())


def second_spelling(token):
    # 64 bytes leave four bits over in the last letter.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


def test_a_megabyte_is_refused_and_the_server_lives(public):
    for letter in ".a":
        try:
            status = public.me(letter * (1 << 20)).status
        except (ConnectionError, OSError):
            status = 431  # Closed while we were still writing.
        # 431 is the HTTP server's own limit, before any layer.
        assert status in (401, 431)
    assert public.me(forge.token()).status == 200


def test_without_a_token_no_error_is_named(public):
    answer = public.request("GET", "/me")
    assert answer.status == 401
    assert answer.challenge.startswith("Bearer") and "error" not in answer.challenge


def test_a_small_rsa_key_is_not_loaded(tmp_path_factory):
    import conftest

    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    keys = {"keys": [forge.jwk(weak, alg="RS256", kid="weak"), forge.jwk(forge.P256, alg="ES256", kid="ES256")]}
    server = conftest.serve(tmp_path_factory, json.dumps(keys))
    try:
        refused(server, forge.token({"alg": "RS256", "kid": "weak"}, by="RS256", key=weak))
        assert server.me(forge.token()).status == 200
    finally:
        server.stop()
