import json
import os
import pty
import re
import signal
import socket
import time
from collections import Counter
from pathlib import Path

import pytest
from deadline import until
from ports import free_port

from .rig import Container

SLEEP = "sleep 1000"


def test_each_line_bears_the_name_of_its_program(container: Container) -> None:
    container.program("a", "sh -c 'echo one; echo two >&2; printf three; exit 3'", "autorestart=false")
    container.start().said("exited: a (exit status 3; not expected)")
    assert container.lines("a") == ["one", "two", "three"]
    assert container.stop() == 0


def test_a_line_waits_for_its_end(container: Container) -> None:
    command = container.script("a", "import os\nos.write(1, b'be')\ninput()\nos.write(1, b'gun\\n')\ninput()")
    container.program("a", command)
    container.start().spawned("a")
    container.ask("sendProcessStdin", "a", "\n")
    assert container.said("[a]") == "[a] begun"
    assert container.stop() == 0


def test_a_long_line_comes_in_pieces(container: Container) -> None:
    command = container.script("a", f"print('x' * {64 * 1024 + 5})")
    container.program("a", command, "autorestart=false")
    container.start().said("exited: a")
    assert container.lines("a") == ["x" * 64 * 1024, "x" * 5]
    assert container.stop() == 0


def test_bytes_that_are_no_text_come_out_as_they_went_in(container: Container) -> None:
    command = container.script("a", "import os\nos.write(1, b'\\xff\\xfe caf\\xc3\\xa9\\n')")
    container.program("a", command, "autorestart=false")
    container.start().said("exited: a")
    assert b"[a] \xff\xfe caf\xc3\xa9\n" in container.log.read_bytes()
    assert container.stop() == 0


def test_nothing_is_logged_twice_and_nothing_is_critical(container: Container) -> None:
    container.program("a", SLEEP)
    container.supervisord_options = "silent=false"
    container.start().spawned("a")
    assert container.stop() == 0
    assert [line for line, times in Counter(container.lines()).items() if times > 1] == []
    assert "[supervisord] WARN received SIGTERM indicating exit request" in container.lines()
    ours = [line for line in container.lines() if line.startswith("[")]
    assert "CRIT" not in "".join(ours)


def test_the_silent_log_has_only_whole_lines_with_names(container: Container) -> None:
    container.program("a", SLEEP)
    container.start().spawned("a")
    assert container.stop() == 0
    assert all(line.startswith("[supervisord] ") for line in container.lines())
    assert (container.home / "stderr").read_text() == ""


def test_a_control_server_without_a_password_is_a_warning(container: Container) -> None:
    port = free_port()
    container.sections = f"[inet_http_server]\nport=127.0.0.1:{port}\n"
    container.start().said("WARN [inet_http_server] has no password")
    container.said("ready after")
    assert container.stop() == 0
    assert container.text().count("ready after") == 1  # the plugin is asked for by each server, and is one


def test_a_program_of_another_user_can_open_its_stdout(container: Container) -> None:
    user = ["user=nobody"] if os.geteuid() == 0 else []
    container.program("site", "/bin/sh -c 'echo hello >/dev/stdout; exec sleep 1000'", *user)
    container.start()
    assert container.said("[site] hello")
    assert container.stop() == 0


# Another process waits for the output as supervisord does, and sometimes reads it between supervisord's poll and read.
THIEF = """\
import os, select, signal, time
output = os.open("/dev/stdout", os.O_RDONLY | os.O_NONBLOCK)
thief = os.fork()
while thief == 0:
    try:
        select.select([output], [], [])
        os.read(output, 65536)
    except BlockingIOError:
        continue
for _ in range(1000):
    os.write(1, b"x\\n")
    time.sleep(0.001)
os.kill(thief, signal.SIGKILL)
os.waitpid(thief, 0)
os.close(output)
print("last")
signal.pause()
"""


def test_a_program_whose_output_another_process_reads_is_still_logged(container: Container) -> None:
    container.program("a", container.script("a", THIEF))
    container.start().said("[a] last")
    assert container.stop() == 0


def test_a_burst_is_neither_lost_nor_kept_in_memory_when_its_reader_is_slow(container: Container) -> None:
    command = container.script("a", "for number in range(20000): print(f'{number:01000}')")
    container.program("a", command, "autorestart=false")
    read, write = os.pipe()
    container.start(stdout=write)
    os.close(write)
    got = bytearray()
    until(lambda: _read(read, got, 65536) and b"[a] " in got, "the first line", longest=0.005)
    before = _memory(container.pid, "VmRSS")
    until(lambda: _read(read, got, 65536) and b"exited: a" in got[-200_000:], "all lines", longest=0.005)
    assert _memory(container.pid, "VmHWM") - before < 8_000
    lines = [line for line in bytes(got).split(b"\n") if line.startswith(b"[a] ")]
    assert lines == [b"[a] %01000d" % number for number in range(20000)]
    os.close(read)
    assert container.stop() == 0


def _memory(pid: int, which: str) -> int:
    """Return kilobytes."""
    return int(Path(f"/proc/{pid}/status").read_text().partition(f"{which}:")[2].split()[0])


def _read(fd: int, into: bytearray, count: int) -> bool:
    into += os.read(fd, count)
    return True


@pytest.mark.parametrize("form", ["text", "json"])
def test_supervision_continues_when_nobody_reads_the_log(container: Container, form: str) -> None:
    container.config = {"log_format": form}
    noisy = container.script("noisy", "import os\nwhile True: os.write(1, b'y' * 1000 + b'\\n')")
    starts = container.home / "starts"
    container.program("noisy", noisy)
    container.program("site", f"sh -c 'echo $$ >> {starts}; sleep 1000'", "autorestart=true", essential=True)
    read, write = os.pipe()
    container.start(stdout=write)
    os.close(write)
    until(lambda: starts.exists() and starts.read_text().endswith("\n"), "the start")
    first = int(starts.read_text())
    # The program continues to write although nobody reads: the backlog is full, and the reader counts as stalled.
    until(lambda: _written_by(container, "noisy.py") > 3_000_000, "noise")
    os.kill(first, signal.SIGKILL)
    until(lambda: len(starts.read_text().split()) == 2, "a restart")
    got = bytearray()
    until(
        lambda: _read(read, got, 65536) and b"(stdout was not read)" in got,
        "what was dropped",
        longest=0.005,
    )
    count = re.search(rb"lines dropped: (\d+) ", got)
    assert count
    assert int(count[1]) > 100
    for line in bytes(got).split(b"\n")[:-1]:
        assert json.loads(line)["program"] if form == "json" else line.startswith(b"[")
    container.signal(signal.SIGTERM)  # nobody reads any more
    assert container.code() == 0
    os.close(read)


def _written_by(container: Container, script: str) -> int:
    for pid in container.pids():
        if script in Path(f"/proc/{pid}/cmdline").read_text():
            io = Path(f"/proc/{pid}/io").read_text()
            return int(io.partition("wchar: ")[2].split()[0])
    return 0


def test_a_reader_that_goes_away_ends_nothing(container: Container) -> None:
    container.program("noisy", container.script("noisy", "while True: print('y' * 1000)"))
    container.program("site", SLEEP, "autorestart=true", essential=True)
    read, write = os.pipe()
    container.start(stdout=write)
    os.close(write)
    got = bytearray()
    until(lambda: _read(read, got, 65536) and b"[noisy] y" in got, "noise", longest=0.005)
    os.close(read)
    assert container.ask("getProcessInfo", "site")["statename"] == "RUNNING"
    assert container.stop() == 0


def test_a_reader_that_goes_away_costs_no_time(container: Container) -> None:
    container.program("site", SLEEP, essential=True)
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while os.write(write, b"z" * 4096):
            continue
    except BlockingIOError:
        os.set_blocking(write, True)  # full: everything waits from the first line on
    container.start(stdout=write)
    os.close(write)
    container.ask("getState")
    os.close(read)
    until(lambda: container.ask("getProcessInfo", "site")["statename"] == "RUNNING", "running")
    used, end = _cpu(container.pid), time.monotonic() + 1
    until(lambda: time.monotonic() >= end, "a second")
    assert _cpu(container.pid) - used < 0.3
    assert container.stop() == 0


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_stdout_may_be_a_socket(container: Container) -> None:
    container.program("a", "echo hello", "autorestart=false")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        container.start(stdout=theirs.fileno())
        got = bytearray()
        until(lambda: _read(ours.fileno(), got, 4096) and b"[a] hello\n" in got, "a line", longest=0.005)
        assert container.stop() == 0


def test_stdout_may_be_a_terminal(container: Container) -> None:
    container.program("a", "echo hello", "autorestart=false")
    ours, theirs = pty.openpty()
    container.start(stdout=theirs)
    os.close(theirs)
    got = bytearray()
    until(lambda: _read(ours, got, 4096) and b"\033[36m[a]\033[0m hello\r\n" in got, "a line", longest=0.005)
    assert container.stop() == 0
    os.close(ours)


def test_a_terminal_that_nobody_reads_stops_nothing(container: Container) -> None:
    noisy = container.script("noisy", "while True: print('y' * 1000)")
    container.program("noisy", noisy)
    ours, theirs = pty.openpty()
    container.start(stdout=theirs)
    os.close(theirs)
    until(lambda: _written_by(container, "noisy.py") > 3_000_000, "noise")
    assert container.stop() == 0
    os.close(ours)


def test_stdout_may_be_a_file_that_is_not_opened_for_appending(container: Container) -> None:
    container.program("a", "sh -c 'echo one; echo two'", "autorestart=false")
    out = os.open(container.log, os.O_WRONLY | os.O_CREAT)
    container.start(stdout=out)
    os.close(out)
    container.said("exited: a")
    assert container.lines("a") == ["one", "two"]
    assert container.stop() == 0


def test_stdout_may_be_closed(container: Container) -> None:
    container.program("a", SLEEP, essential=True)
    container.start(under=("sh", "-c", 'exec "$@" >&-', "sh"))
    until(container.ready_file.exists, "ready")
    assert container.stop() == 0


def test_json_is_an_object_a_line_of_supervisord_too(container: Container) -> None:
    container.config = {"log_format": "json"}
    said = container.script("said", "import os, time\nos.write(2, b'two\\n{\"level\": 3}\\n')\ntime.sleep(1000)")
    container.program("a", f"sh -c 'echo one; exec {said}'")
    container.start().said('"app_level"')
    container.said("spawned")
    assert container.stop() == 0
    lines = [json.loads(line) for line in container.lines()]
    pid = next(int(each["message"].rpartition(" ")[2]) for each in lines if "spawned" in each["message"])
    of_a = [(each["stream"], each["pid"], each["message"]) for each in lines if each["program"] == "a"]
    assert of_a == [("stdout", pid, "one"), ("stdout", pid, "two"), ("stdout", pid, "")]
    assert [each["app_level"] for each in lines if "app_level" in each] == [3]
    assert ("warning", "received SIGTERM indicating exit request") in {
        (each["level"], each["message"]) for each in lines
    }
    assert {each["pid"] for each in lines if each["program"] == "supervisord"} == {container.pid}


def test_a_raw_program_writes_by_itself(container: Container) -> None:
    container.program("a", "sh -c 'echo one; echo two >&2; exec sleep 1000'", raw=True)
    container.start()
    container.said("one")
    until(lambda: "two" in (container.home / "stderr").read_text(), "stderr")
    container.signal(signal.SIGUSR2)
    assert container.ask("getProcessInfo", "a")["statename"] == "RUNNING"
    assert container.stop() == 0
    assert "one" in container.lines()
    assert "a" not in {line.partition("]")[0] for line in container.lines()}
