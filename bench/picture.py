"""What was measured as a picture: one SVG file that needs no other, for a light page and for a dark one."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import median

from table import Failed

Bars = Mapping[str, Sequence[Sequence[float]]]  # of each label: what was measured, one bar a series

# All in the units of the picture's own coordinates.
WIDTH = 760
LABELS = 150  # where the bars begin
RIGHT = 90  # beside the longest: its number
TOP = 58
BAR, GAP = 14, 16  # a bar, and between two groups
COLOURS = ("first", "second")
STYLE = """
  svg { color-scheme: light dark; background: #fff; font: 12px system-ui, sans-serif; }
  text { fill: #1f2328; }
  .dim { fill: #656d76; }
  .first { fill: #9cbcf0; }
  .second { fill: #2f6fdb; }
  .span { stroke: #1f2328; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #e6edf3; }
    .dim { fill: #9198a1; }
    .first { fill: #2b4a80; }
    .second { fill: #4c8dff; }
    .span { stroke: #e6edf3; }
  }
"""


def svg(title: str, series: Sequence[str], bars: Bars, unit: str, digits: int = 2) -> str:
    """Return the picture: a bar a series for each label, to the median, and a line from the least to the greatest."""
    longest = max((value for each in bars.values() for values in each for value in values), default=1.0)
    rows = [*_rows(bars, (WIDTH - RIGHT - LABELS) / longest, unit, digits)]
    height = TOP + len(bars) * (len(series) * BAR + GAP)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title">\n'
        f'<title id="title">{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'<text x="12" y="22" font-weight="600">{escape(title)}</text>\n'
    )
    return head + "".join(f"{part}\n" for part in (*_legend(series), *rows)) + "</svg>\n"


def write(file: Path, picture: str) -> None:
    """Write a picture."""
    try:
        file.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise Failed(f"cannot write {file}: {error.strerror}") from None


def _legend(series: Sequence[str]) -> Iterator[str]:
    """Yield what the colours mean."""
    x = LABELS
    for colour, name in zip(COLOURS, series, strict=True):
        yield f'<rect class="{colour}" x="{x}" y="34" width="10" height="10" rx="2"/>'
        yield f'<text class="dim" x="{x + 15}" y="43">{escape(name)}</text>'
        x += 36 + 7 * len(name)


def _rows(bars: Bars, scale: float, unit: str, digits: int) -> Iterator[str]:
    """Yield the labels and their bars; what was not measured leaves its place empty."""
    y = TOP
    for label, each in bars.items():
        yield f'<text x="12" y="{y + len(each) * BAR / 2 + 4:g}">{escape(label)}</text>'
        for colour, values in zip(COLOURS, each, strict=True):
            if values:
                yield _bar(
                    colour, y, [LABELS + value * scale for value in values], f"{median(values):.{digits}f}{unit}"
                )
            y += BAR
        y += GAP


def _bar(colour: str, y: int, ends: Sequence[float], number: str) -> str:
    low, end, high = min(ends), median(ends), max(ends)
    return (
        f'<rect class="{colour}" x="{LABELS}" y="{y}" width="{end - LABELS:.1f}" height="{BAR - 2}" rx="2"/>'
        f'<line class="span" x1="{low:.1f}" x2="{high:.1f}" y1="{y + BAR / 2 - 1:g}" y2="{y + BAR / 2 - 1:g}"/>'
        f'<text class="dim" x="{high + 6:.1f}" y="{y + BAR - 4}">{escape(number)}</text>'
    )
