"""The client's own credentials out, ours in: query, form field or header. Nothing here fetches a token.

What the client brought is removed wherever it hides; with two tokens in a request it is not documented which one
ArcGIS takes, and a bad token makes even public services fail.
"""

from base64 import b64encode
from typing import assert_never
from urllib.parse import quote, unquote_plus

from proxy import names
from proxy.errors import CredentialMisconfigured
from proxy.model import Identity, Place, Scheme, Target
from proxy.traffic import Body, Outgoing, Token


def credential_names(token_param: str) -> frozenset[str]:
    """The parameters that are credentials on a rule whose token travels as `token_param`; lower-case."""
    return frozenset((names.TOKEN, token_param.lower()))


def without_credentials(target: Target, dropped: frozenset[str]) -> Target:
    """`target` less the parameters called so, in any letter case and encoding; all others byte for byte."""
    query = target.query
    if not query:
        return target
    pairs = query.split("&")
    kept = [pair for pair in pairs if not _is_named(pair.partition("=")[0], dropped)]
    if len(kept) == len(pairs):
        return target
    return Target(target.origin, target.path, "&".join(kept) if kept else None)


def form_without_credentials(form: bytes, dropped: frozenset[str]) -> bytes:
    """An urlencoded form less the fields called so; all others byte for byte."""
    fields = form.split(b"&")
    kept = [field for field in fields if not _is_named(field.partition(b"=")[0].decode("latin-1"), dropped)]
    return form if len(kept) == len(fields) else b"&".join(kept)


def authorize(outgoing: Outgoing, token: Token, place: Place, token_param: str) -> Outgoing:
    """One attempt with `token` in its place. Raises CredentialMisconfigured if the token is another server's.

    The check stands here because this is the last place that a token passes: whatever went wrong before, it goes
    to no server but its own.
    """
    server = token.audience.server
    if server.origin != outgoing.target.origin:
        raise CredentialMisconfigured("The token in hand is for another server.", slug="foreign_token")
    match place:
        case Place.HEADER:
            return _with_header(outgoing, names.X_ESRI_AUTHORIZATION, f"Bearer {token.value.reveal()}")
        case Place.BEARER:
            return _with_header(outgoing, names.AUTHORIZATION, f"Bearer {token.value.reveal()}")
        case Place.QUERY:
            return _with_parameter(outgoing, f"{quote(token_param, safe='')}={quote(token.value.reveal(), safe='')}")
        case _:
            assert_never(place)


def identify(outgoing: Outgoing, identity: Identity) -> Outgoing:
    """One attempt with the identity's own headers and, where its login needs no challenge (Basic, RFC 7617), that.

    Raises CredentialMisconfigured where the target is out of its scope: the same last check as for tokens.
    """
    if not identity.scope.covers(outgoing.target.origin):
        raise CredentialMisconfigured("The credential is for another server.", slug="foreign_credential")
    headers = {**outgoing.headers, **{name: value.reveal() for name, value in identity.headers}}
    login = identity.login
    if login is not None and login.scheme is Scheme.BASIC:
        pair = f"{login.username}:{login.password.reveal()}"
        headers[names.AUTHORIZATION] = f"Basic {b64encode(pair.encode()).decode('ascii')}"
    return Outgoing(outgoing.method, outgoing.target, headers, outgoing.body, outgoing.route)


def _with_header(outgoing: Outgoing, name: str, value: str) -> Outgoing:
    headers = {**outgoing.headers, name: value}
    return Outgoing(outgoing.method, outgoing.target, headers, outgoing.body, outgoing.route)


def _with_parameter(outgoing: Outgoing, pair: str) -> Outgoing:
    """On a form POST a field of the form, so that the token stays out of access logs; else in the query."""
    body, target = outgoing.body, outgoing.target
    kind = outgoing.headers.get(names.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if body.whole and kind == names.FORM_TYPE:
        whole = body.whole + b"&" + pair.encode("ascii")
        body = Body(whole, None, len(whole))
    else:
        target = Target(target.origin, target.path, f"{target.query}&{pair}" if target.query else pair)
    return Outgoing(outgoing.method, target, outgoing.headers, body, outgoing.route)


def _is_named(raw: str, dropped: frozenset[str]) -> bool:
    name = unquote_plus(raw) if "%" in raw or "+" in raw else raw
    return name.strip().lower() in dropped
