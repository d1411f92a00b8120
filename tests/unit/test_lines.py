from entrypoint.output.lines import LONGEST, Lines


def test_a_line_waits_for_its_newline() -> None:
    lines = Lines()
    assert lines.feed(b"one\ntw") == [b"one"]
    assert lines.feed(b"o\n\n") == [b"two", b""]
    assert lines.end() == []


def test_the_last_line_needs_no_newline() -> None:
    lines = Lines()
    assert lines.feed(b"one") == []
    assert lines.end() == [b"one"]
    assert lines.end() == []


def test_a_long_line_comes_in_pieces_as_soon_as_it_is_too_long() -> None:
    lines = Lines()
    assert lines.feed(b"x" * LONGEST) == []
    assert lines.feed(b"y") == [b"x" * LONGEST]
    assert lines.feed(b"\nz\n") == [b"y", b"z"]


def test_a_long_line_that_comes_whole_comes_in_pieces_too() -> None:
    assert Lines().feed(b"x" * (2 * LONGEST + 1) + b"\n") == [b"x" * LONGEST, b"x" * LONGEST, b"x"]
