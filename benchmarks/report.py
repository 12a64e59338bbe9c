"""The figures of `run.py` as a table and as a picture; measures nothing but what machine this is."""

import os
import platform
import re
from pathlib import Path
from typing import Any, Final

_COLOURS: Final = {"nginx": "#9aa5b1", "envoy": "#d9822b"}
_OURS: Final = "#2b7bba"
_LEFT, _WIDTH, _BAR, _GAP = 130, 760, 18, 34  # pixels

Figures = dict[str, Any]


def machine() -> str:
    """In a sentence, without its name."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    size = f", {int(memory[1]) / 1e6:.0f} GB" if memory else ""
    return (
        f"{os.cpu_count()} cores ({cpu[1].strip() if cpu else platform.machine()}){size}, {platform.system()} "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}; load, "
        "servers and stub on the same cores"
    )


def table(figures: Figures) -> str:
    """As Markdown."""
    lines = [f"Machine: {figures['machine']}.", ""]
    titles = (
        "load",
        "server",
        "requests/s",
        "CPU s for 10,000 (spread)",
        "times nginx (spread)",
        "p50 ms",
        "p99 ms",
        "errors",
    )
    lines += _row(*titles), _row(*("---" for _ in titles))
    for load, of in figures["loads"].items():
        for name, cell in of.items():
            cpu, ratio = _spread(cell["cpu"], cell["cpu spread"]), _spread(cell["ratio"], cell["ratio spread"], 1)
            times = f"{cell['p50']:.2f}", f"{cell['p99']:.1f}"
            lines.append(_row(load, name, f"{cell['requests/s']:,.0f}", cpu, ratio, *times, str(cell["errors"])))
    titles = tuple(dict.fromkeys(title for row in figures["memory, MB"].values() for title in row))
    lines += ["", _row("memory", *titles), _row("---", *("---" for _ in titles))]
    for name, row in figures["memory, MB"].items():
        lines.append(_row(name, *(f"{row[title]:.1f}" if title in row else "" for title in titles)))
    lines += ["", _row("crowd", "the server was asked"), _row("---", "---")]
    lines += [_row(what, said) for what, said in figures["crowds"].items()]
    return "\n".join(lines) + "\n"


def plot(figures: Figures) -> str:
    """CPU for 10,000 requests as bars, the spread as a line on each."""
    loads = figures["loads"]
    most = max(cell["cpu spread"][1] for of in loads.values() for cell in of.values())
    shapes: list[str] = []
    y = 46
    for load, of in loads.items():
        shapes.append(f'<text x="{_LEFT}" y="{y}" class="load">{load}</text>')
        y += 8
        for name, cell in of.items():
            shapes += _bar(y, name, cell, (_WIDTH - _LEFT - 130) / most)
            y += _BAR + 4
        y += _GAP
    style = "text{font:12px sans-serif;fill:#222}.load{font-weight:bold}.title{font-size:14px}.end{text-anchor:end}"
    title = "CPU seconds for 10,000 requests (median; line: the spread over rounds)"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}">',
            f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>',
            f'<text x="10" y="20" class="title">{title}</text>',
            *shapes,
            "</svg>\n",
        ]
    )


def _bar(y: int, name: str, cell: Figures, scale: float) -> list[str]:
    low, high = (_LEFT + value * scale for value in cell["cpu spread"])
    middle, base = y + _BAR / 2, y + _BAR - 5
    width, colour = cell["cpu"] * scale, _COLOURS.get(name, _OURS)
    words = f"{cell['cpu']:.2f} s ({cell['ratio']:.1f} × nginx)"
    return [
        f'<text x="{_LEFT - 8}" y="{base}" class="end">{name}</text>',
        f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>',
        f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#222"/>',
        f'<text x="{max(high, _LEFT + width) + 8:.1f}" y="{base}">{words}</text>',
    ]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _spread(value: float, bounds: list[float], digits: int = 2) -> str:
    return f"{value:.{digits}f} ({bounds[0]:.{digits}f} to {bounds[1]:.{digits}f})"
