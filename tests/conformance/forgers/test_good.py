"""What PyJWT and joserfc sign in good faith is taken."""

import warnings

import forge
import jwt
import pytest
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt


def joserfc_key(alg):
    kind = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}[alg[:2]]
    return joserfc_jwk.import_key(forge.private_pem(forge.KEYS[alg]), kind)


@pytest.mark.parametrize("alg", forge.KEYS)
def test_pyjwt(public, alg):
    answer = public.me(jwt.encode(forge.claims(), forge.KEYS[alg], algorithm=alg, headers={"kid": alg}))
    assert answer.status == 200, answer.text
    assert answer.json["sub"] == "alice"


@pytest.mark.parametrize("alg", forge.KEYS)
def test_joserfc(public, alg):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It prefers another name than EdDSA, which is below.
        token = joserfc_jwt.encode({"alg": alg, "kid": alg}, forge.claims(), joserfc_key(alg), algorithms=[alg])
    assert public.me(token).status == 200


def test_the_newer_name_of_eddsa(public):
    header = {"alg": "Ed25519", "kid": "EdDSA"}
    assert public.me(joserfc_jwt.encode(header, forge.claims(), joserfc_key("EdDSA"), algorithms=["Ed25519"])).status == 200


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_secrets(secret, alg):
    assert secret.me(jwt.encode(forge.claims(), forge.SECRET, algorithm=alg, headers={"kid": alg})).status == 200
    key = joserfc_jwk.OctKey.import_key(forge.SECRET)
    assert secret.me(joserfc_jwt.encode({"alg": alg, "kid": alg}, forge.claims(), key, algorithms=[alg])).status == 200


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"])
def test_types(public, typ):
    assert public.me(forge.token(forge.header(typ=typ))).status == 200


@pytest.mark.parametrize(
    "body",
    [
        forge.claims(aud=["https://other.example", forge.AUDIENCE]),
        forge.claims(nbf=1, jti="1", scope="a b"),
        forge.claims(exp=9_999_999_999.5),
        forge.claims(name="Zoë \N{GRINNING FACE}", deep={"a": [{"b": None}]}),
        forge.claims(iat=...),
    ],
    ids=["several audiences", "all claims", "a fraction", "any language", "no iat"],
)
def test_claims(public, body):
    assert public.me(forge.token(body=body)).status == 200


def test_without_a_kid_the_key_is_found_by_its_algorithm(public):
    assert public.me(forge.token({"alg": "ES256"})).status == 200


def test_spaces_in_the_json_change_nothing(public):
    assert public.me(forge.token('{ "alg" : "ES256",\n\t"kid":"ES256" }')).status == 200


def test_what_the_handler_sees_is_what_was_signed(public):
    answer = public.me(forge.token(body=forge.claims(tenant={"id": 7, "tags": ["a", "b"]})))
    assert answer.json["tenant"] == {"id": 7, "tags": ["a", "b"]}


def test_a_scope_opens_what_wants_it(public):
    for scope, status in [("admin", 200), ("read admin", 200), (["admin"], 200), ("administrator", 403), ("Admin", 403), (..., 403)]:
        bearer = {"Authorization": f"Bearer {forge.token(body=forge.claims(scope=scope))}"}
        answer = public.request("GET", "/admin", bearer)
        assert answer.status == status, scope
        if status == 403:
            assert 'error="insufficient_scope"' in answer.challenge
            assert 'scope="admin"' in answer.challenge
