"""`entrypoint boot`: a recorded boot as a table and as a picture."""

from xml.etree import ElementTree as ET

import pytest

from entrypoint.commands import output
from entrypoint.control import picture, timeline
from entrypoint.control.timeline import Step, Timeline

SVG = "{http://www.w3.org/2000/svg}"
BOOT = Timeline(
    began=1.7e9,
    ready=1.0,
    steps=(Step(0.0, 0.25, "start"), Step(0.25, 0.0, "1. find <nginx> & all"), Step(0.25, 0.75, f"2. {'x' * 200}")),
)
UNREADY = Timeline(1.7e9, None, (Step(0.0, 0.5, "start"), Step(0.5, None, "1. exec")))


def bars(boot: Timeline) -> list[ET.Element]:
    return list(ET.fromstring(picture.timeline_svg(boot)).iter(f"{SVG}rect"))


def test_a_bar_begins_and_ends_where_its_step_does() -> None:
    lines = timeline.table(BOOT).splitlines()
    assert [line[19:43] for line in lines[1:4]] == ["█" * 6 + " " * 18, " " * 6 + "▏" + " " * 17, " " * 6 + "█" * 18]
    assert lines[1].split()[:2] == ["0.000", "0.250"]
    assert lines[4].split() == ["1.000", "ready"]


def test_no_line_is_longer_than_the_terminal_is_wide() -> None:
    assert max(map(len, output.cut(timeline.table(BOOT), 60).splitlines())) == 60
    assert max(map(len, output.cut(timeline.table(BOOT), None).splitlines())) > 200


def test_a_boot_that_is_not_ready_says_so() -> None:
    assert timeline.table(UNREADY).endswith("not ready yet\n")
    assert "not ready yet" in picture.timeline_svg(UNREADY)
    assert 'class="ready"' not in picture.timeline_svg(UNREADY)


def test_the_picture_has_a_bar_a_step_with_its_whole_line() -> None:
    root = ET.fromstring(picture.timeline_svg(BOOT))
    assert [row[0].text for row in root.iter(f"{SVG}g")] == [step.line for step in BOOT.steps]
    labels = [" ".join(span.text or "" for span in row.iter(f"{SVG}tspan")) for row in root.iter(f"{SVG}g")]
    assert [label.replace("x x", "xx") for label in labels] == [step.line for step in BOOT.steps]
    lefts = [float(bar.attrib["x"]) for bar in bars(BOOT)]
    widths = [float(bar.attrib["width"]) for bar in bars(BOOT)]
    assert lefts == [480.0, 585.0, 585.0]
    assert widths == [105.0, 1.0, 315.0]
    assert "ready after 1.00 s" in "".join(root.itertext())


def test_short_steps_share_a_row_of_the_picture() -> None:
    short = tuple(Step(0.5 + number / 1000, 0.001, f"{number}. short") for number in range(1, 5))
    boot = Timeline(1.7e9, 1.0, (Step(0.0, 0.501, "start"), *short, Step(0.505, 0.495, "5. long")))
    rows = list(ET.fromstring(picture.timeline_svg(boot)).iter(f"{SVG}g"))
    assert [next(row.iter(f"{SVG}tspan")).text for row in rows] == ["start", "4 short steps: 1 to 4", "5. long"]
    assert rows[1][0].text == "1. short\n2. short\n3. short\n4. short"
    assert [bar.attrib["x"] for bar in bars(boot)] == ["480.0", "690.4", "692.1"]
    assert next(text.text for text in rows[1].iter(f"{SVG}text") if "y" in text.attrib) == "4 ms"


@pytest.mark.parametrize("end", [0.0, 0.0004, 0.3, 0.999, 1.0, 59.0, 3600.0])
def test_there_are_a_few_round_moments(end: float) -> None:
    boot = Timeline(0.0, end, (Step(0.0, end, "start"),))
    moments = [text.text for text in ET.fromstring(picture.timeline_svg(boot)).iter(f"{SVG}text") if "y" in text.attrib]
    shown = [moment for moment in moments if moment and moment.endswith(" s") and not moment.startswith("ready")]
    assert 1 <= len(shown) <= 6
    assert shown[0] == "0 s"
