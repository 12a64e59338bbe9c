"""Answers `rest/info` of a server with a credential: without the sign-in hints that a client would follow to the
server's own token service.
"""

import json

from proxy import names
from proxy.core import hygiene
from proxy.core.match import RuleTable
from proxy.core.redirect import sent
from proxy.core.servers import server_for_rule, server_of
from proxy.model import Rule
from proxy.ports import ServerInfoSource
from proxy.traffic import Reply
from proxy.urls import Target


def info_rule(table: RuleTable, target: Target) -> Rule | None:
    """The rule whose server `target` is the `rest/info` of, though the rule begins deeper; None for any other URL."""
    if not target.path.lower().endswith("/rest/info"):
        return None
    found = []
    for rule in table.rules_on(target):
        if rule.credential is None or (rule.redirect is not None and rule.redirect.strips):
            continue  # what stands above a path that is left out is nowhere at the upstream
        above = sent(rule, target)
        server = server_of(above)
        if server is not None and server_for_rule(rule, above).context.lower() == server.context.lower():
            found.append(rule)
    # Where one rule is for anyone, so are the versions
    return min(found, key=lambda rule: rule.users is not None, default=None)


async def answer_info(infos: ServerInfoSource, rule: Rule, target: Target) -> Reply:
    """The versions that the server tells, and that no token is needed here. `target` is the upstream's. Raises as
    `ServerInfoSource.info`."""
    server = server_of(target) or server_for_rule(rule, target)
    info = await infos.info(server, rule.route)
    versions = {"currentVersion": info.current_version, "fullVersion": info.full_version}
    answer = {key: value for key, value in versions.items() if value is not None}
    body = json.dumps(answer | {"authInfo": {"isTokenBasedSecurity": False}}).encode()
    headers = {
        names.CONTENT_TYPE: "application/json;charset=utf-8",
        names.CONTENT_LENGTH: str(len(body)),
        names.CACHE_CONTROL: "private, max-age=60",
    }
    return Reply(200, headers | hygiene.COMMON, body)
