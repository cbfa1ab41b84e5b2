"""What our issuer signs is read by others, by its published keys alone."""

import json
import time
import warnings

import jwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet
from server import Server

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.fixture(scope="module")
def issuer():
    server = Server("token_auth")
    yield server
    server.stop()


def post(server, path, body, **headers):
    return server.request("POST", path, {"content-type": "application/json", **headers}, json.dumps(body))


@pytest.fixture(scope="module")
def login(issuer):
    answer = post(issuer, "/login", {"username": "demo", "password": "demo"})
    assert answer.status == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json["token_type"] == "Bearer"
    return answer.json


def keys_of(server):
    answer = server.request("GET", "/.well-known/jwks.json")
    assert answer.status == 200
    return answer


def test_the_key_set_holds_public_keys_with_names(issuer):
    answer = keys_of(issuer)
    assert answer.headers["content-type"] in ("application/jwk-set+json", "application/json")
    assert "cache-control" in answer.headers
    assert answer.json["keys"]
    for key in answer.json["keys"]:
        assert not PRIVATE & key.keys()
        assert key["kid"] and key["alg"] and key["use"] == "sig"


def test_pyjwt(issuer, login):
    key = jwt.PyJWKClient(f"{issuer.url}/.well-known/jwks.json").get_signing_key_from_jwt(login["access_token"])
    claims = jwt.decode(
        login["access_token"],
        key,
        algorithms=[key.algorithm_name],
        audience=issuer.url,
        issuer=issuer.url,
        options={"require": ["exp", "iat", "sub", "aud", "iss", "jti"], "verify_sub": True, "verify_jti": True},
    )
    assert claims["exp"] - claims["iat"] == login["expires_in"]
    assert abs(claims["iat"] - time.time()) < 30


def test_joserfc(issuer, login):
    keys = KeySet.import_key_set(keys_of(issuer).json)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It prefers EdDSA's newer name.
        token = joserfc_jwt.decode(login["access_token"], keys, algorithms=["ES256", "EdDSA", "RS256"])
    wanted = {name: {"essential": True} for name in ("sub", "exp", "iat", "jti")}
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer.url}, aud={"essential": True, "value": issuer.url}, **wanted
    )
    registry.validate(token.claims)
    assert token.header["kid"] in [key["kid"] for key in keys_of(issuer).json["keys"]]


def test_it_takes_what_it_signed_and_nobody_elses(issuer, login):
    assert issuer.me(login["access_token"]).status == 200
    header, _, rest = login["access_token"].partition(".")
    assert issuer.me(f"{header}.{rest[:-4]}AAAA").status == 401


def refresh(server, token):
    return post(server, "/refresh", {"refresh_token": token})


def test_a_refresh_token_brings_another_access_token(issuer):
    first = post(issuer, "/login", {"username": "demo", "password": "demo"}).json
    answer = refresh(issuer, first["refresh_token"])
    assert answer.status == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    second = answer.json
    assert second["refresh_token"] != first["refresh_token"]
    key = jwt.PyJWKClient(f"{issuer.url}/.well-known/jwks.json").get_signing_key_from_jwt(second["access_token"])
    claims = [
        jwt.decode(pair["access_token"], key, algorithms=[key.algorithm_name], audience=issuer.url) for pair in (first, second)
    ]
    assert claims[0]["sub"] == claims[1]["sub"] and claims[0]["jti"] != claims[1]["jti"]


def test_a_logout_ends_every_token_of_the_session_at_once(issuer):
    pair = post(issuer, "/login", {"username": "demo", "password": "demo"}).json
    assert issuer.me(pair["access_token"]).status == 200
    assert post(issuer, "/logout", {"refresh_token": pair["refresh_token"]}).status in (200, 204)
    answer = issuer.me(pair["access_token"])
    assert (answer.status, 'error="invalid_token"' in answer.challenge) == (401, True)
    answer = refresh(issuer, pair["refresh_token"])
    assert (answer.status, answer.json["error"]) == (400, "invalid_grant")


def test_a_refresh_token_that_was_rotated_twice_ago_ends_the_session(issuer):
    pair = post(issuer, "/login", {"username": "demo", "password": "demo"}).json
    second = refresh(issuer, pair["refresh_token"]).json
    third = refresh(issuer, second["refresh_token"]).json
    answer = refresh(issuer, pair["refresh_token"])
    assert (answer.status, answer.json["error"]) == (400, "invalid_grant")
    assert refresh(issuer, third["refresh_token"]).status == 400
    assert issuer.me(third["access_token"]).status == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "A" * 43, "é", "x" * 100_000], ids=lambda token: f"{token:.10}")
def test_a_refresh_token_that_nobody_issued(issuer, token):
    answer = refresh(issuer, token)
    assert (answer.status, answer.json["error"]) == (400, "invalid_grant")
    assert answer.headers["cache-control"] == "no-store"
