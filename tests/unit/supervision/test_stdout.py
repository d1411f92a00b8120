import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrypoint.supervision.logs.stdout import BACKLOG, STALL, Stdout

LINE = b"x" * 1000


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    yield read, write
    for fd in (read, write):
        try:
            os.close(fd)
        except OSError:
            continue


def everything(fd: int) -> bytes:
    got = b""
    try:
        while more := os.read(fd, 65536):
            got += more
    except BlockingIOError:
        return got
    return got


def test_a_line_is_written_at_once(pipe: tuple[int, int]) -> None:
    stdout = Stdout(pipe[1])
    stdout.write("nginx", [b"one", b"two"])
    assert everything(pipe[0]) == b"[nginx] one\n[nginx] two\n"
    assert not stdout.waiting()


def test_output_waits_if_the_pipe_is_full_and_nothing_is_lost(pipe: tuple[int, int]) -> None:
    stdout = Stdout(pipe[1])
    stdout.write("a", [b"%d" % number + LINE for number in range(500)])
    assert stdout.waiting()
    got = b""
    while stdout.waiting():
        got += everything(pipe[0])
        stdout.flush()
    got += everything(pipe[0])
    assert got == b"".join(b"[a] %d%s\n" % (number, LINE) for number in range(500))


def test_programs_are_made_to_wait_before_anything_is_dropped(pipe: tuple[int, int]) -> None:
    clock = Clock()
    stdout = Stdout(pipe[1], clock)
    while not stdout.crowded():
        stdout.write("a", [LINE])
    assert stdout.due() == STALL
    clock.now = STALL
    assert stdout.stalled()
    assert not stdout.crowded()


def test_dropped_lines_are_counted_and_reported(pipe: tuple[int, int]) -> None:
    clock = Clock()
    stdout = Stdout(pipe[1], clock)
    stdout.write("a", [LINE] * (BACKLOG // len(LINE) + 100))
    clock.now = STALL
    stdout.write("a", [b"dropped"] * 7)
    got = b""
    while stdout.waiting():
        got += everything(pipe[0])
        stdout.flush()
    stdout.write("a", [b"after"])
    got += everything(pipe[0])
    assert got.endswith(b"\n[supervisord] lines dropped: 7 (stdout was not read)\n[a] after\n")
    assert b"[a] dropped" not in got


def test_a_reader_that_is_gone_takes_nothing_and_costs_nothing(pipe: tuple[int, int]) -> None:
    stdout = Stdout(pipe[1])
    os.close(pipe[0])
    stdout.write("a", [LINE])
    assert not stdout.waiting()


def test_the_end_does_not_wait_for_a_reader_for_long(pipe: tuple[int, int]) -> None:
    stdout = Stdout(pipe[1])
    stdout.write("a", [LINE] * 200)
    stdout.close(patience=0.01)
    assert stdout.waiting()
    assert stdout.room is None


def test_a_file_as_stdout_takes_everything_at_once(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("wb") as out:
        stdout = Stdout(out.fileno())
        assert stdout.room is None
        stdout.write("a", [LINE] * 5000)
        assert not stdout.waiting()
    assert file.read_bytes() == (b"[a] " + LINE + b"\n") * 5000


def test_a_closed_stdout_takes_nothing() -> None:
    stdout = Stdout(None)
    stdout.write("a", [LINE])
    assert not stdout.waiting()
    stdout.close(patience=0)
