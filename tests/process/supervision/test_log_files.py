"""Programs with a log file of their own."""

import signal
from collections.abc import Callable
from pathlib import Path

from deadline import until

from .rig import Container

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


def logs_to(container: Container, command: str, *options: str, **config: object) -> Path:
    """Add the program `a`, whose output goes to the file that is returned."""
    file = container.home / "logs" / "a.log"
    file.parent.mkdir()
    container.program("a", command, f"stdout_logfile={file}", *options, **config)
    return file


def has(file: Path, text: str) -> Callable[[], bool]:
    def is_there() -> bool:
        try:
            return file.read_text() == text
        except FileNotFoundError:  # a rotation renames the files, one after the other
            return False

    return is_there


def say(container: Container, line: str) -> None:
    container.ask("sendProcessStdin", "a", f"{line}\n")


def test_all_that_it_says_goes_to_the_file_and_not_to_stdout(container: Container) -> None:
    container.config["log_format"] = "json"
    file = logs_to(container, "sh -c 'echo one; echo two >&2; printf three; exec sleep 1000'", restart="always")
    container.start()
    until(has(file, "one\ntwo\nthree"), "its lines", instead=container.text)
    assert container.stop() == 0
    assert '"program":"supervisord"' in container.text().replace(" ", "")
    assert "one" not in container.text()


def test_a_line_in_the_file_makes_it_ready(container: Container) -> None:
    file = logs_to(container, container.script("a", ECHO), essential=True, ready="log:^up")
    container.start().spawned("a")
    say(container, "not up yet")
    until(has(file, "not up yet\n"), "the first line", instead=container.text)
    assert not container.ready_file.exists()
    say(container, "up")
    until(container.ready_file.exists, "readiness", instead=container.text)
    assert container.stop() == 0


def test_a_file_that_is_large_enough_is_rotated(container: Container) -> None:
    options = ("stdout_logfile_maxbytes=100", "stdout_logfile_backups=2")
    file = logs_to(container, container.script("a", ECHO), *options, restart="always")
    container.start().spawned("a")
    older = [file.with_name(f"a.log.{number}") for number in (1, 2, 3)]
    for letter in "abc":
        say(container, letter * 100)
        until(has(older[0], letter * 100 + "\n"), "a rotation", instead=container.text)
    say(container, "d")
    until(has(file, "d\n"), "the last line", instead=container.text)
    assert [path.read_text()[0] for path in older[:2]] == ["c", "b"]
    assert not older[2].exists()
    assert container.stop() == 0


def test_usr2_opens_the_file_that_is_there_now(container: Container) -> None:
    file = logs_to(container, container.script("a", ECHO), restart="always")
    container.start()
    container.signal(signal.SIGUSR2)  # held: supervisord has no handler yet
    container.said("received SIGUSR2 indicating log reopen request")
    container.spawned("a")
    say(container, "before")
    until(has(file, "before\n"), "a line", instead=container.text)
    moved = file.rename(file.with_name("moved.log"))
    container.signal(signal.SIGUSR2)
    container.said("received SIGUSR2 indicating log reopen request", times=2)
    until(has(file, ""), "the new file", instead=container.text)
    say(container, "after")
    until(has(file, "after\n"), "a line", instead=container.text)
    assert moved.read_text() == "before\n"
    assert container.stop() == 0


def test_a_file_that_cannot_be_rotated_or_opened_is_reported_once_and_stops_nothing(container: Container) -> None:
    options = ("stdout_logfile_maxbytes=10", "stdout_logfile_backups=1")
    file = logs_to(container, container.script("a", ECHO), *options, restart="always")
    in_the_way = file.with_name("a.log.1")
    in_the_way.mkdir()
    container.start().spawned("a")
    for text in ("first line\n", "first line\nsecond line\n"):
        say(container, text.splitlines()[-1])
        until(has(file, text), "a line", instead=container.text)
    container.said(f"CRIT cannot write or rotate {file}: Is a directory")
    in_the_way.rmdir()
    say(container, "third line")
    until(has(in_the_way, "first line\nsecond line\nthird line\n"), "a rotation", instead=container.text)
    file.unlink()
    file.parent.rename(container.home / "elsewhere")
    container.signal(signal.SIGUSR2)
    container.said(f"CRIT cannot write or rotate {file}: No such file or directory")
    (container.home / "elsewhere").rename(file.parent)
    say(container, "fourth")
    until(has(file, "fourth\n"), "a line", instead=container.text)
    assert container.text().count("cannot write") == 2
    assert (container.home / "stderr").read_text() == ""
    assert container.stop() == 0


def test_a_file_that_cannot_be_opened_at_a_start_costs_no_descriptors(container: Container) -> None:
    file = logs_to(container, "true", restart="always")
    file.parent.rename(container.home / "elsewhere")
    (container.home / "logs").symlink_to("elsewhere")  # supervisord's parser wants it
    file.mkdir()
    container.start()
    failed = "spawnerr: unknown error making dispatchers for 'a': EISDIR"
    container.said(failed)
    before = container.descriptors()
    for times in (2, 3):
        container.said(failed, times)
    until(lambda: container.descriptors() <= before, "no more descriptors than before")
    file.rmdir()
    container.spawned("a")
    assert container.stop() == 0
