"""Our credentials into a request: query, form field or header. Nothing here fetches a token.

What the client brought was removed before (`parameters`): with two tokens in a request it is not documented which one
ArcGIS takes, and a bad token makes even public services fail.
"""

from base64 import b64encode
from typing import assert_never
from urllib.parse import quote

from proxy import names
from proxy.core import parameters
from proxy.core.repeated import Upward
from proxy.core.servers import is_bound
from proxy.errors import CredentialMisconfigured
from proxy.identity import Identity, Place, Scheme, TokenCredential
from proxy.traffic import Body, Outgoing, Token
from proxy.urls import Target


def credential_names(token_param: str) -> frozenset[str]:
    """The parameters that are credentials on a rule whose token travels as `token_param`; lower-case."""
    return frozenset((names.TOKEN, token_param.lower()))


def authorize(outgoing: Outgoing, token: Token, place: Place, credential: TokenCredential) -> Outgoing:
    """One attempt with `token` in its place. Raises CredentialMisconfigured if the token is another server's, or the
    server none of the credential's.

    The check stands here because this is the last place that a token passes: whatever went wrong before, it goes
    to no server but its own.
    """
    origin = token.audience.server.origin
    there = outgoing.target.origin
    if (origin is not there and origin != there) or not is_bound(credential, origin):
        raise CredentialMisconfigured("The token in hand is for another server.", slug="foreign_token")
    match place:
        case Place.HEADER:
            return _with_header(outgoing, names.X_ESRI_AUTHORIZATION, f"Bearer {token.value.reveal()}")
        case Place.BEARER:
            return _with_header(outgoing, names.AUTHORIZATION, f"Bearer {token.value.reveal()}")
        case Place.QUERY | Place.URL:
            pair = f"{quote(credential.token_param, safe='')}={quote(token.value.reveal(), safe='')}"
            content_type = outgoing.headers.get(names.CONTENT_TYPE, "") if place is Place.QUERY else ""
            target, body = parameters.added(outgoing.target, outgoing.body, content_type, pair)
            return _changed(outgoing, target, outgoing.headers, body)
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
    return _changed(outgoing, outgoing.target, headers, outgoing.body)


def _with_header(outgoing: Outgoing, name: str, value: str) -> Outgoing:
    headers = outgoing.headers
    more = headers.plus(name, value) if isinstance(headers, Upward) else {**headers, name: value}
    return _changed(outgoing, outgoing.target, more, outgoing.body)


def _changed(of: Outgoing, target: Target, headers: dict[str, str], body: Body) -> Outgoing:
    return Outgoing(
        of.method, target, headers, body, of.route, client=of.client, request_id=of.request_id, is_second=of.is_second
    )
