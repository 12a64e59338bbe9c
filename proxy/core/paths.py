"""What a path says of the answers that come from there, before they do."""

import re
from typing import Final
from urllib.parse import urlsplit

_ANY_CASE: Final = re.IGNORECASE
_SIGN_IN: Final = re.compile(
    r"/(?:(?:log|sign)in(?:\.\w{2,5})?|oauth2/(?:authorize|signin|saml/.*)|adfs/ls)/?$", _ANY_CASE
)
# Sign-in pages that were asked for, by a client that may (`access: all`), are what they are.
_OWN_SIGN_IN: Final = re.compile(
    r"/(?:tokens|generatetoken|login|signin|admin|manager|portaladmin|oauth2)(?:/|$)", _ANY_CASE
)
# Even without `f` these answer no page: a page there is an error.
_NO_PAGES: Final = re.compile(r"/(?:tile|tilemap|wmts|images|wmsserver|wfsserver|wcsserver)(?:/|$)", _ANY_CASE)
# What lies there anybody may have put there, and it may say anything
_FILES: Final = re.compile(r"/(?:attachments|images|info|resources)(?:/|$)")  # below a service
_SHARED: Final = re.compile(r"/(?:content|community|directories)/")


def is_file(path: str) -> bool:
    """Whether users' own files are there: what one of them says is nothing that the server says of others."""
    lower = path.lower()
    # Behind the first service alone: one pattern for both would look through the rest of the path at each of them
    service = lower.find("server/")
    return (service >= 0 and _FILES.search(lower, service) is not None) or _SHARED.search(lower) is not None


def leads_to_sign_in(location: str) -> bool:
    """Whether a redirect goes to a sign-in page."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return False
    return _SIGN_IN.search(parts.path) is not None or "samlrequest=" in parts.query.lower()


def is_own_sign_in(path: str) -> bool:
    """Whether a sign-in page is what was asked for."""
    return _OWN_SIGN_IN.search(path) is not None


def has_no_pages(path: str) -> bool:
    """Whether a page there can only be an error."""
    return _NO_PAGES.search(path) is not None
