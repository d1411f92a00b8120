"""The last boot as a picture: one SVG file that needs no other, for a light page and for a dark one."""

from collections.abc import Iterator
from html import escape
from itertools import takewhile
from typing import Final

from entrypoint.control.timeline import Step, Timeline

# All in the units of the picture's own coordinates.
_WIDTH: Final = 960
_LABELS: Final = 480  # where the bars begin
_RIGHT: Final = 60  # beside the bars: the longest of their numbers
_TOP: Final = 40
_ROW: Final = 22
_BAR: Final = 12
_LONGEST_LABEL: Final = 68  # characters
_TICKS: Final = 6  # at most
_STYLE: Final = """
  svg { color-scheme: light dark; background: #fff; font: 12px system-ui, sans-serif; }
  text { fill: #1f2328; }
  .line { font: 11px ui-monospace, monospace; }
  .dim { fill: #656d76; }
  .grid { stroke: #d8dee4; }
  .bar { fill: #2f6fdb; }
  .ready { stroke: #1a7f37; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #e6edf3; }
    .dim { fill: #9198a1; }
    .grid { stroke: #30363d; }
    .bar { fill: #4c8dff; }
    .ready { stroke: #3fb950; }
  }
"""


def svg(timeline: Timeline) -> str:
    """Return the picture: a bar a step from the moment when it began, and a line where all was ready."""
    height = _TOP + _ROW * len(timeline.steps) + 12
    what = "not ready yet" if timeline.ready is None else f"ready after {timeline.ready:.2f} s"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="title">\n'
        f'<title id="title">The boot, step by step: {what}</title>\n<style>{_STYLE}</style>\n'
        f'<text x="12" y="22" font-weight="600">{what}</text>\n'
    )
    parts = [*_grid(timeline.end, height), *_rows(timeline)]
    if timeline.ready is not None:
        x = _x(timeline.ready, timeline.end)
        parts.append(f'<line class="ready" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{height - 8}"/>')
    return head + "".join(f"{part}\n" for part in parts) + "</svg>\n"


def _grid(end: float, height: int) -> Iterator[str]:
    """Yield the round moments."""
    for at in _ticks(end):
        x = _x(at, end)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{height - 8}"/>'
        yield f'<text class="dim" x="{x:.1f}" y="22" text-anchor="middle">{at:g} s</text>'


def _ticks(end: float) -> list[float]:
    """Return few enough round numbers from 0 to `end`."""
    steps = (mantissa * 10.0**exponent for exponent in range(-3, 9) for mantissa in (1, 2, 5))
    step = next(step for step in steps if end / step <= _TICKS - 1)
    return list(takewhile(lambda at: at <= end, (round(step * number, 3) for number in range(_TICKS))))


def _rows(timeline: Timeline) -> Iterator[str]:
    for number, step in enumerate(timeline.steps):
        y = _TOP + number * _ROW
        yield f"<g>{_row(step, y, timeline.end)}</g>"


def _row(step: Step, y: int, end: float) -> str:
    left, right = _x(step.at, end), _x(step.at + (step.seconds or 0), end)
    label = step.line if len(step.line) <= _LONGEST_LABEL else step.line[: _LONGEST_LABEL - 1] + "…"
    took = "" if step.seconds is None else f"{1000 * step.seconds:.0f} ms"
    # A number that fits into the picture beside its bar stands there, else before it.
    beside = (right + 6, "start") if right < _WIDTH - _RIGHT else (left - 6, "end")
    return (
        f"<title>{escape(step.line)}</title>"
        f'<text class="line" x="12" y="{y + 11}">{escape(label)}</text>'
        f'<rect class="bar" x="{left:.1f}" y="{y + 1}" width="{max(right - left, 1):.1f}" height="{_BAR}" rx="2"/>'
        f'<text class="dim" x="{beside[0]:.1f}" y="{y + 11}" text-anchor="{beside[1]}">{took}</text>'
    )


def _x(seconds: float, end: float) -> float:
    return _LABELS + seconds / end * (_WIDTH - _RIGHT - _LABELS) if end else _LABELS
