"""What the status page says of the configuration beside the counts. Reads; keeps and changes nothing."""

from collections.abc import Iterable
from dataclasses import replace

from proxy.model import Configuration, ForwardedUsers, JwtUsers
from proxy.telemetry.merge import UNUSED


def credential_rows(configuration: Configuration, logins: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    """A row for each login, and for each credential that nobody has needed yet."""
    rows = list(logins)
    used = {row["credential"] for row in rows}
    nothing = dict.fromkeys(("server", "secondsLeft", "triesAgainIn", "place", "problem"))
    named = [credential.name for credential in configuration.credentials]
    return rows + [{"credential": name, "state": UNUSED, **nothing} for name in named if name not in used]


def user_source(configuration: Configuration) -> str:
    """Where the names of users come from, in the words of the file."""
    match configuration.users:
        case None:
            return "none"
        case ForwardedUsers():
            return "forwarded"
        case JwtUsers():
            return "jwt"


def needing_restart(begun: Configuration, now: Configuration) -> list[str]:
    """The settings, as the file names them, that `now` has otherwise and that only a new process takes up."""
    limits = replace(now.limits, drain=begun.limits.drain)  # read when it is needed
    return [
        name
        for name, is_same in (
            ("server.listen", begun.listen == now.listen),
            ("server.workers", begun.workers == now.workers),
            ("server.tls", begun.tls == now.tls),
            ("server.limits", begun.limits == limits),
            ("admin", begun.admin_listen == now.admin_listen and begun.admin_password == now.admin_password),
            ("log", (begun.log_level, begun.log_format) == (now.log_level, now.log_format)),
        )
        if not is_same
    ]
