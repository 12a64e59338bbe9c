"""What a token service's answer means: a token, a refusal, a mistake of ours, or no answer at all.

Most failures come as HTTP 200, some with code 201; `details` is a string or a list; in text mode an error page looks
like a success. Bodies are never repeated, but for the service's own sentence, cleaned.
"""

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from proxy import names
from proxy.core.challenge import offered_logins
from proxy.credentials.challenges import CORRECT_IT, wants_login
from proxy.credentials.discover import is_wrong_url, json_object
from proxy.errors import CredentialMisconfigured, CredentialRefused, TokenRejected, TokenUnavailable
from proxy.secret import Secret
from proxy.traffic import Answer

_TOKEN: Final = re.compile(r"[A-Za-z0-9_.~+/=|-]{16,4096}")
_JSON_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,4096}")  # it travels in header lines, which end at 8 KiB
_LOCKED: Final = re.compile(r"\block(?:ed)?\b|too many .{0,20}attempts", re.IGNORECASE)
_LONGEST: Final = 10 * 365 * 86400  # seconds
_REFUSALS: Final = frozenset((400, 401, 403))
_REFUSING_STATUSES: Final = frozenset((401, 403))


@dataclass(frozen=True, slots=True)
class GoodAnswer:
    """A token as issued. `expires` as the service wrote it; `server_time` is its own clock, seconds since 1970;
    `seconds` its life, where the service tells that (OAuth)."""

    token: Secret
    expires: object
    server_time: float | None
    seconds: float | None = None


def read_answer(
    answer: Answer, *, text: bool = False, what: str = "user name or password", setting: str = "tokenServiceUri"
) -> GoodAnswer:
    """The token in `answer`; `text` for the legacy service, whose whole body may be the token; `what` is the
    credential, in an operator's words, and `setting` what says where its service is.

    Raises CredentialRefused, CredentialMisconfigured, TokenUnavailable, or TokenRejected (498 from an exchange).
    """
    if 300 <= answer.status < 400:
        raise CredentialMisconfigured(
            "The token service redirects, and a password is not sent after it.", f"Set {setting} to its real URL."
        )
    # Some services say a refusal with the status too; read as an outage it would be tried until the account locks
    document = json_object(answer, any_status=True)
    if document is None:
        return _read_text(answer, text=text, what=what, setting=setting)
    token = document.get("token") or document.get("access_token")
    if answer.status < 300 and isinstance(token, str) and _JSON_TOKEN.fullmatch(token):
        return GoodAnswer(Secret(token), document.get("expires"), _date(answer), _seconds(document.get("expires_in")))
    error = document.get("error")
    if isinstance(error, dict):
        raise _failure(error, what, setting)
    said = _sentence(document.get("messages"))
    if _code(document) in _REFUSALS or answer.status in _REFUSING_STATUSES:
        raise _refused(said, what)
    raise TokenUnavailable("The token service answered without a token.", *filter(None, [said]), retry_after=5)


def _read_text(answer: Answer, *, text: bool, what: str, setting: str) -> GoodAnswer:
    body = answer.body.decode("latin-1").strip()
    if text and answer.status == 200 and _TOKEN.fullmatch(body):
        return GoodAnswer(Secret(body), None, _date(answer))
    offered = offered_logins(answer.headers.get(names.WWW_AUTHENTICATE, ""))
    if answer.status == names.CODE_UNAUTHORIZED and offered:
        raise wants_login(offered)
    if answer.status in _REFUSING_STATUSES:
        raise _refused("", what)
    if "Client ID is required" in body:
        raise CredentialMisconfigured(
            "The token service wants a shorter life.", "Set expiration on the credential to 60."
        )
    raise TokenUnavailable(
        f"The token service answered with something else than a token (HTTP status {answer.status}).",
        f"Is its address right? {setting} sets it.",
        retry_after=5,
    )


def _failure(error: dict[str, object], what: str, setting: str) -> Exception:
    code = _code(error)
    message, details = _sentence(error.get("message")), _sentence(error.get("details"))
    sentence = f"{message.rstrip('.')}. {details}" if message and details else message or details
    if code in (names.CODE_TOKEN_INVALID, names.CODE_TOKEN_REQUIRED):
        return TokenRejected(sentence)
    if is_wrong_url(sentence):
        return CredentialMisconfigured(
            f"There is no token service at its address. It says: {sentence}",
            f"Check the url, and {setting} where it is set.",
            slug="wrong_url",
        )
    if code in _REFUSALS:
        return _refused(sentence, what)
    if code in (201, 405):
        return CredentialMisconfigured(f"The token service does not take the request: {sentence}")
    return TokenUnavailable(f"The token service failed: {sentence}", retry_after=5)


def _code(document: dict[str, object]) -> int | None:
    code = document.get("code")
    if isinstance(code, str) and re.fullmatch("[0-9]{1,4}", code):
        return int(code)
    return code if isinstance(code, int) else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < _LONGEST else None


def _refused(sentence: str, what: str) -> CredentialRefused:
    said = f" It says: {sentence}" if sentence else ""
    if _LOCKED.search(sentence):
        return CredentialRefused(
            f"The account is locked at the token service.{said}",
            "Unlock it there, or wait until it is; and see who else uses it with a wrong password.",
            slug="account_locked",
        )
    return CredentialRefused(f"The token service refuses the proxy's {what}.{said}", CORRECT_IT)


def _sentence(value: object) -> str:
    """A service's own words, as far as they can be shown: printable, short."""
    if isinstance(value, list):
        value = " ".join(str(part) for part in value[:3])
    if not isinstance(value, str):
        return ""
    printable = "".join(c for c in value if c.isprintable() and c not in "<>")
    return re.sub("ssl", "TLS", printable, flags=re.IGNORECASE)[:200].strip()


def _date(answer: Answer) -> float | None:
    try:
        return parsedate_to_datetime(answer.headers[names.DATE]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None
