"""Looks at the first bytes of an answer and puts them back: the waiting half of `core.classify`."""

from proxy.core.classify import PASSED, Finding, inspect
from proxy.traffic import Reply
from proxy.upstream.pieces import chained


async def examine(reply: Reply, wanted: str, path: str, secrets: tuple[str, ...]) -> Finding:
    """The finding on `reply`, whose body is whole again afterwards; its words are without `secrets`. Closes it where
    looking fails."""
    try:
        inspector = inspect(reply.status, reply.headers, wanted=wanted, path=path, secrets=secrets)
        if inspector is None:
            return PASSED
        if isinstance(inspector, Finding):
            return inspector
        if isinstance(reply.body, bytes):
            return inspector.feed(reply.body) or inspector.finish()
        held: list[bytes] = []
        finding: Finding | None = None
        async for piece in reply.body:
            held.append(piece)
            finding = inspector.feed(piece)
            if finding is not None:
                break
        reply.body = chained(held, reply.body)
        return finding or inspector.finish()
    except BaseException:
        reply.close()
        raise
