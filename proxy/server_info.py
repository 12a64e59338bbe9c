"""Answers what a server with a credential is asked about signing in, `rest/info` and its twins in SOAP: without the
hints that a client would follow to the server's own token service.
"""

import json

from proxy import names
from proxy.core import hygiene
from proxy.core.catalog import quiet_answer
from proxy.core.match import RuleTable
from proxy.core.redirect import sent
from proxy.core.servers import server_for_rule, server_of
from proxy.model import Rule
from proxy.ports import ServerInfoSource
from proxy.traffic import Body, Reply
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
    return _said(body, "application/json;charset=utf-8", "private, max-age=60")


def answer_catalog(operation: str, asked: Body, content_type: str) -> Reply | None:
    """The SOAP catalog's answer to whether a token is needed, and where it comes from: no, and nowhere. None where
    something else is asked."""
    answer = quiet_answer(operation, asked.whole) if asked.whole else None
    if answer is None:
        return None
    is_soap_12 = content_type.lower().startswith("application/soap+xml")
    return _said(answer, f"{'application/soap+xml' if is_soap_12 else 'text/xml'}; charset=utf-8", "no-store")


def _said(body: bytes, content_type: str, cache_control: str) -> Reply:
    headers = {
        names.CONTENT_TYPE: content_type,
        names.CONTENT_LENGTH: str(len(body)),
        names.CACHE_CONTROL: cache_control,
    }
    return Reply(200, hygiene.to_client(headers, private=True), body)
