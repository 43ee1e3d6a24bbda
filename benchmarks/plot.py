"""Bars as SVG, readable in light and dark, without a library."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from benchmarks.lab import Cost

_WIDTH, _BAR, _GAP, _LEFT, _RIGHT = 720, 20, 8, 150, 90
_STYLE = """
text { font: 13px sans-serif; fill: #24292f }
.title { font-weight: bold }
.bar { fill: #8c959f }
.dumpy { fill: #2f7d4f }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .bar { fill: #6e7681 }
  .dumpy { fill: #4fb477 }
}
"""


def write(path: Path, groups: Mapping[str, tuple[int, Mapping[str, Cost]]]) -> None:
    """Write a plot of CPU time per row: by title, a number of rows and what they cost."""
    parts, top = [], 0
    for title, (rows, costs) in groups.items():
        values = {name: cost.cpu / rows * 1e6 for name, cost in costs.items()}
        parts.append(_text(0, top + 15, title, "title"))
        top += 26
        for name, value in values.items():
            parts += _bar(top, name, value, max(values.values()))
            top += _BAR + _GAP
        top += 2 * _GAP
    body = "\n".join(parts)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" role="img">\n'
        f"<title>{escape(', '.join(groups))}</title>\n<style>{_STYLE}</style>\n{body}\n</svg>\n",
        encoding="utf-8",
    )


def _bar(top: int, name: str, value: float, most: float) -> list[str]:
    width = max(2, round(value / most * (_WIDTH - _LEFT - _RIGHT)))
    kind = "bar dumpy" if name.endswith(" py") else "bar"
    return [
        _text(0, top + 15, name),
        f'<rect class="{kind}" x="{_LEFT}" y="{top}" width="{width}" height="{_BAR}" rx="2"/>',
        _text(_LEFT + width + 6, top + 15, f"{value:.0f} µs"),
    ]


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'
