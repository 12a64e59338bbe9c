"""proxy.core.remembering: what strangers write at length is not kept."""

import tracemalloc

from proxy.core.cache_control import directives
from proxy.core.remembering import remembered
from proxy.core.rewrite import names_hosts


def test_short_texts_are_worked_out_once_and_long_ones_each_time() -> None:
    seen: list[int] = []

    @remembered(2)
    def length(text: str) -> int:
        seen.append(len(text))
        return len(text)

    assert [length("a"), length("a"), length("b" * 600), length("b" * 600)] == [1, 1, 600, 600]
    assert seen == [1, 600, 600]


def test_a_thousand_long_headers_and_paths_leave_nothing_behind() -> None:
    tracemalloc.start()
    try:
        for number in range(1000):
            names_hosts(f"/arcgis/{number}/{'a' * 30_000}")
            if number % 20 == 0:
                directives(",".join(f"{number:x}{name:x}" for name in range(4000)))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1024 * 1024
