"""The event loop that a process runs on. Knows nothing of what runs."""

import asyncio


def runner() -> asyncio.Runner:
    """On uvloop where it exists."""
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
