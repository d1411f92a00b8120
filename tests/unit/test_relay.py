"""The relay: the output of programs that boot starts, until the exec."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from deadline import until

from entrypoint.boot.effects.processes.relay import Relay


class Room:
    """A stderr that may be full."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.asked: list[float] = []
        self.full = False

    def offer(self, name: str, text: str, seconds: float) -> bool:
        self.asked.append(seconds)
        if not self.full:
            self.lines.append(f"{name}: {text}")
        return not self.full


class Pipe:
    def __init__(self) -> None:
        self.output, self.end = os.pipe()

    def say(self, text: str) -> None:
        os.write(self.end, text.encode())


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.output)
    os.close(made.end)


@pytest.fixture
def relay(room: Room, pipe: Pipe) -> Iterator[Relay]:
    del pipe  # which is closed after the thread has ended
    made = Relay(room.offer)
    yield made
    made.stop()


def test_whole_lines_are_written_and_a_begun_one_is_handed_over(relay: Relay, room: Room, pipe: Pipe) -> None:
    relay.add("nginx", pipe.output, hold=False)
    pipe.say("one\ntwo\nthr")
    until(lambda: len(room.lines) == 2, "the lines")
    relay.stop()
    pipe.say("ee\n")
    assert room.lines == ["nginx: one", "nginx: two"]
    assert relay.pending(pipe.output) == b"thr"
    assert os.read(pipe.output, 100) == b"ee\n"


def test_held_lines_are_not_written_until_they_are_too_many(relay: Relay, room: Room, pipe: Pipe) -> None:
    relay.add("uwsgi", pipe.output, hold=True)
    pipe.say("quiet\n")
    until(lambda: relay.pending(pipe.output) == b"quiet\n", "the text")
    for _ in range(2048):
        pipe.say("x" * 1023 + "\n")
    until(lambda: len(room.lines) == 2049, "the lines")
    assert room.lines[0] == "uwsgi: quiet"
    assert relay.pending(pipe.output) == b""


def test_a_line_without_end_is_cut(relay: Relay, room: Room, pipe: Pipe) -> None:
    relay.add("nginx", pipe.output, hold=False)
    for _ in range(100):
        pipe.say("x" * 1000)
    until(lambda: room.lines, "a piece")
    assert len(room.lines[0]) > 65536


def test_the_last_line_of_a_program_that_has_ended_needs_no_end(relay: Relay, room: Room) -> None:
    pipe = Pipe()
    relay.add("nginx", pipe.output, hold=False)
    pipe.say("last words")
    os.close(pipe.end)
    until(lambda: room.lines == ["nginx: last words"], "the line")
    relay.remove(pipe.output)
    os.close(pipe.output)


def test_a_program_may_read_its_own_output(room: Room, pipe: Pipe) -> None:
    pipes = [pipe, Pipe(), Pipe()]

    def offer(name: str, text: str, seconds: float) -> bool:
        for each in pipes:  # those that the relay is about to read
            with suppress(BlockingIOError):
                os.read(each.output, 100)
        return room.offer(name, text, seconds)

    relay = Relay(offer)
    for each in pipes:
        os.set_blocking(each.output, False)
    for each in pipes[:2]:
        relay.add("uwsgi", each.output, hold=False)
    relay.stop()
    for each in pipes[:2]:
        each.say("one\n")
    relay.add("nginx", pipes[2].output, hold=False)
    until(lambda: room.lines == ["uwsgi: one"], "the line")
    pipes[2].say("two\n")
    until(lambda: room.lines == ["uwsgi: one", "nginx: two"], "the line after it")
    relay.stop()
    for each in pipes[1:]:
        os.close(each.output)
        os.close(each.end)


def test_lines_are_dropped_and_counted_when_stderr_is_not_read(relay: Relay, room: Room, pipe: Pipe) -> None:
    room.full = True
    relay.add("nginx", pipe.output, hold=False)
    pipe.say("one\ntwo\nthree\n")
    until(lambda: len(room.asked) == 3, "the lines")
    assert room.asked == [1.0, 0, 0]  # the first waits for room, the others do not
    room.full = False
    pipe.say("four\n")
    until(lambda: len(room.lines) == 2, "the line")
    assert room.lines == ["nginx: four", "entrypoint: lines dropped: 3 (stderr was not read)"]


def test_a_pipe_that_is_added_later_is_read_too_and_one_that_is_removed_is_not(
    relay: Relay, room: Room, pipe: Pipe
) -> None:
    other = Pipe()
    relay.add("uwsgi", other.output, hold=True)
    relay.add("nginx", pipe.output, hold=False)
    relay.remove(other.output)
    other.say("unheard\n")
    pipe.say("heard\n")
    until(lambda: room.lines == ["nginx: heard"], "the line")
    assert os.read(other.output, 100) == b"unheard\n"
    os.close(other.output)
    os.close(other.end)


def test_the_thread_takes_no_signal(relay: Relay, pipe: Pipe) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    others = set(Path("/proc/self/task").iterdir())
    relay.add("nginx", pipe.output, hold=False)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    tasks = set(Path("/proc/self/task").iterdir()) - others
    masks = [(task / "status").read_text().partition("SigBlk:\t")[2].split()[0] for task in tasks]
    terminate = 1 << (signal.SIGTERM - 1)
    assert all(int(mask, 16) & terminate for mask in masks)
    assert masks
