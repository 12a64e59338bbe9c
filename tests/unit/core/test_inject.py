"""proxy.core.inject: the client's credentials out, ours in."""

from dataclasses import replace

import pytest

from proxy.core.inject import authorize, credential_names
from proxy.core.parameters import of_form, without
from proxy.core.target import parse_url
from proxy.errors import CredentialMisconfigured
from proxy.identity import Place, Route, StaticCredential
from proxy.secret import Secret
from proxy.traffic import Audience, Body, Outgoing, Token
from proxy.urls import Scope, Server

NAMES = credential_names("access_token")
TARGET = parse_url("https://h/arcgis/rest/services/A?f=json")
CREDENTIAL = StaticCredential("c", Secret("se+cret.."), scopes=(Scope("https", "h"),))
TOKEN = Token(Secret("se+cret.."), Audience("c", Server(TARGET.origin, "/arcgis"), ""), 0.0, 60.0)


def outgoing(body: bytes = b"", kind: str = "", url: str = TARGET.url) -> Outgoing:
    headers = {"content-type": kind} if kind else {}
    return Outgoing("POST" if body else "GET", parse_url(url), headers, Body(body, None, len(body)), Route())


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("f=json&token=x", "f=json"),
        ("token=x&f=json", "f=json"),
        ("TOKEN=x&f=json&Token=y", "f=json"),
        ("%74oken=x&f=json", "f=json"),
        ("access_token=x", None),
        ("token", None),
        ("token%20=x&a=1", "a=1"),
        ("f=json&tokens=x&mytoken=y", "f=json&tokens=x&mytoken=y"),
        ("a=token=x&&b", "a=token=x&&b"),
    ],
)
def test_the_clients_token_is_taken_out_of_the_query(query: str, left: str | None) -> None:
    assert without(parse_url(f"https://h/a?{query}"), NAMES).query == left


@pytest.mark.parametrize(
    ("form", "left"),
    [
        (b"token=x&where=1%3D1", b"where=1%3D1"),
        (b"where=1%3D1&%54OKEN=x", b"where=1%3D1"),
        (b"a.b=1&a.b=2&&", b"a.b=1&a.b=2&&"),
        (b"token=x", b""),
        (b"\xff=1&token=x", b"\xff=1"),
    ],
)
def test_the_clients_token_is_taken_out_of_a_form(form: bytes, left: bytes) -> None:
    assert of_form(form, NAMES, frozenset())[0] == left


def test_a_token_in_a_header() -> None:
    assert authorize(outgoing(), TOKEN, Place.HEADER, CREDENTIAL).headers == {
        "x-esri-authorization": "Bearer se+cret.."
    }
    assert authorize(outgoing(), TOKEN, Place.BEARER, CREDENTIAL).headers == {"authorization": "Bearer se+cret.."}


def test_a_token_in_the_query_is_encoded() -> None:
    assert authorize(outgoing(), TOKEN, Place.QUERY, CREDENTIAL).target.query == "f=json&token=se%2Bcret.."
    bare = authorize(outgoing(url="https://h/a"), TOKEN, Place.QUERY, replace(CREDENTIAL, token_param="key"))
    assert bare.target.query == "key=se%2Bcret.."


def test_a_token_on_a_form_post_is_a_field_of_the_form() -> None:
    sent = authorize(
        outgoing(b"where=1", "application/x-www-form-urlencoded; charset=UTF-8"), TOKEN, Place.QUERY, CREDENTIAL
    )
    assert sent.body == Body(b"where=1&token=se%2Bcret..", None, 25)
    assert sent.target.query == "f=json"


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "text/xml", "application/json"])
def test_a_token_beside_any_other_body_is_in_the_query(kind: str) -> None:
    sent = authorize(outgoing(b"body", kind), TOKEN, Place.QUERY, CREDENTIAL)
    assert sent.body.whole == b"body"
    assert sent.target.query == "f=json&token=se%2Bcret.."


@pytest.mark.parametrize("place", Place)
def test_a_token_goes_to_no_server_but_its_own(place: Place) -> None:
    both = replace(CREDENTIAL, scopes=(*CREDENTIAL.scopes, Scope("https", "other")))
    with pytest.raises(CredentialMisconfigured):
        authorize(outgoing(url="https://other/a"), TOKEN, place, both)


@pytest.mark.parametrize("scope", [Scope("https", "other"), Scope("http", "h"), Scope("https", "h", port=6443)])
def test_a_token_goes_to_no_server_that_the_credential_is_not_for(scope: Scope) -> None:
    with pytest.raises(CredentialMisconfigured):
        authorize(outgoing(), TOKEN, Place.HEADER, replace(CREDENTIAL, scopes=(scope,)))
