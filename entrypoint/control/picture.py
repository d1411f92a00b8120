"""Draws a bar chart as an SVG file for light and dark pages: the timeline of a boot, and the results of benchmarks."""

import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby, takewhile
from operator import itemgetter
from typing import Final, NamedTuple

from entrypoint.control.timeline import Step, Timeline

# In the units of the picture's coordinates:
_BAR: Final = 12
_SLOT: Final = 14  # the height of a bar and the space below it
_GAP: Final = 8  # between two rows
_LABEL: Final = 68  # characters of a label's line
_SHORT: Final = 0.01  # of the whole boot: consecutive steps that take less share a row
_TICKS: Final = 6  # at most
_STYLE: Final = """
  svg { color-scheme: light dark; background: #fff; font: 12px system-ui, sans-serif; }
  text { fill: #1f2328; }
  .line { font: 11px ui-monospace, monospace; }
  .dim { fill: #656d76; }
  .grid { stroke: #d8dee4; }
  .first { fill: #9cbcf0; }
  .second { fill: #2f6fdb; }
  .span { stroke: #1f2328; }
  .ready { stroke: #1a7f37; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #e6edf3; }
    .dim { fill: #9198a1; }
    .grid { stroke: #30363d; }
    .first { fill: #2b4a80; }
    .second { fill: #4c8dff; }
    .span { stroke: #e6edf3; }
    .ready { stroke: #3fb950; }
  }
"""


class Bar(NamedTuple):
    """A bar on the chart's scale."""

    start: float
    end: float
    number: str  # the text beside it
    colour: str = "second"  # first or second
    span: tuple[float, float] | None = None  # the ends of a thin line over it


class Row(NamedTuple):
    """A label with the bars beside it. None leaves the place of a bar empty."""

    label: str
    bars: Sequence[Bar | None]
    title: str = ""
    """The tooltip; empty: the label."""

    @property
    def lines(self) -> Sequence[str]:
        """The label, in lines that fit beside the bars."""
        return textwrap.wrap(self.label, _LABEL) or [""]

    @property
    def height(self) -> int:
        """The height of the row, with the space below it."""
        return max(len(self.bars), len(self.lines)) * _SLOT + _GAP


class Layout(NamedTuple):
    """The horizontal layout of a chart, in the units of the picture's coordinates."""

    width: int
    labels: int  # the width of the labels, left of the bars
    right: int  # the space right of the bars, for their numbers
    end: float  # the value at the right end of the bars

    def x(self, value: float) -> float:
        """Return the position of a value."""
        return self.labels + value / self.end * (self.width - self.right - self.labels) if self.end else self.labels


def timeline_svg(timeline: Timeline) -> str:
    """Return the picture of a boot: a bar for each step, and a line where all programs were ready."""
    what = "not ready yet" if timeline.ready is None else f"ready after {timeline.ready:.2f} s"
    rows = [_row(steps) for steps in _grouped(timeline)]
    layout, top = Layout(width=960, labels=480, right=60, end=timeline.end), 40
    bottom = top + _height(rows) + 4
    parts = list(_grid(layout, top - 8, bottom))
    parts += _rows(rows, layout, top, "line")
    if timeline.ready is not None:
        x = layout.x(timeline.ready)
        parts.append(f'<line class="ready" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 8}" y2="{bottom}"/>')
    return _document(f"The boot, step by step: {what}", what, layout.width, bottom + 8, parts)


def _grouped(timeline: Timeline) -> Iterator[Sequence[Step]]:
    """Yield each step that takes long, and the steps between two of them together."""
    short = [step.seconds is not None and step.seconds < _SHORT * timeline.end for step in timeline.steps]
    for together, group in groupby(zip(short, timeline.steps, strict=True), key=itemgetter(0)):
        steps = [step for _, step in group]
        if together:
            yield steps
        else:
            yield from ([step] for step in steps)


def _row(steps: Sequence[Step]) -> Row:
    first, last = steps[0], steps[-1]
    seconds = None if last.seconds is None else last.at + last.seconds - first.at
    label = first.line
    if len(steps) > 1:
        numbers = [step.line.partition(".")[0] for step in steps if step.line[:1].isdigit()]
        label = f"{len(steps)} short steps{f': {numbers[0]} to {numbers[-1]}' if len(numbers) > 1 else ''}"
    number = "" if seconds is None else f"{1000 * seconds:.0f} ms"
    return Row(label, [Bar(first.at, first.at + (seconds or 0), number)], "\n".join(step.line for step in steps))


def chart_svg(title: str, legend: Sequence[str], rows: Sequence[Row], layout: Layout) -> str:
    """Return the picture of a bar chart; `legend` names the colours, the first and the second."""
    top = 58
    parts = [*_legend(legend, layout.labels), *_rows(rows, layout, top, "label")]
    return _document(title, title, layout.width, top + _height(rows) + 8, parts)


def _document(title: str, heading: str, width: int, height: int, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">\n'
        f'<title id="title">{escape(title)}</title>\n<style>{_STYLE}</style>\n'
        f'<text x="12" y="22" font-weight="600">{escape(heading)}</text>\n'
    )
    return head + "".join(f"{part}\n" for part in parts) + "</svg>\n"


def _height(rows: Sequence[Row]) -> int:
    return sum(row.height for row in rows)


def _grid(layout: Layout, top: int, bottom: int) -> Iterator[str]:
    for value in _ticks(layout.end):
        x = layout.x(value)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
        yield f'<text class="dim" x="{x:.1f}" y="22" text-anchor="middle">{value:g} s</text>'


def _ticks(end: float) -> list[float]:
    """Return a few round numbers from 0 to `end`."""
    steps = (mantissa * 10.0**exponent for exponent in range(-3, 9) for mantissa in (1, 2, 5))
    step = next(step for step in steps if end / step <= _TICKS - 1)
    return list(takewhile(lambda value: value <= end, (round(step * number, 3) for number in range(_TICKS))))


def _legend(names: Sequence[str], x: int) -> Iterator[str]:
    for colour, name in zip(("first", "second"), names, strict=True):
        yield f'<rect class="{colour}" x="{x}" y="34" width="10" height="10" rx="2"/>'
        yield f'<text class="dim" x="{x + 15}" y="43">{escape(name)}</text>'
        x += 36 + 7 * len(name)


def _rows(rows: Sequence[Row], layout: Layout, y: int, style: str) -> Iterator[str]:
    for row in rows:
        middle = y + (row.height - _GAP) / 2 + 4
        beside = y + (row.height - _GAP - len(row.bars) * _SLOT) / 2 + 1
        bars = "".join(_bar(bar, layout, beside + at * _SLOT) for at, bar in enumerate(row.bars) if bar)
        top = middle - (len(row.lines) - 1) * _SLOT / 2
        spans = [f'<tspan x="12" y="{top + at * _SLOT:g}">{escape(line)}</tspan>' for at, line in enumerate(row.lines)]
        text = f'<text class="{style}">{"".join(spans)}</text>'
        yield f"<g><title>{escape(row.title or row.label)}</title>{text}{bars}</g>"
        y += row.height


def _bar(bar: Bar, layout: Layout, y: float) -> str:
    left, right = layout.x(bar.start), layout.x(bar.end)
    low, high = map(layout.x, bar.span or (bar.start, bar.end))
    span = f'<line class="span" x1="{low:.1f}" x2="{high:.1f}" y1="{y + 6:g}" y2="{y + 6:g}"/>' if bar.span else ""
    # The number is right of the bar where the picture has room for it, else left of it.
    beside = (max(right, high) + 6, "start") if right < layout.width - layout.right or bar.span else (left - 6, "end")
    return (
        f'<rect class="{bar.colour}" x="{left:.1f}" y="{y:g}" width="{max(right - left, 1):.1f}" '
        f'height="{_BAR}" rx="2"/>{span}'
        f'<text class="dim" x="{beside[0]:.1f}" y="{y + 10:g}" text-anchor="{beside[1]}">{escape(bar.number)}</text>'
    )
