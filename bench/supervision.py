"""Measure our plugin in supervisord beside stock supervisord, s6 and runit, in turn, and print one table.

It needs s6 and runit on this machine; README.md says what is measured.
"""

import argparse
import compileall
import math
import os
import platform
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from statistics import median

import psutil
from table import NOTHING, Failed, carry_out, draw, machine, parser, spread, write

from entrypoint.boot.decisions.programs.programs import Program
from entrypoint.boot.files.render import render
from entrypoint.protocol.codec import to_json
from entrypoint.protocol.supervision import LogFormat, ProgramConfig, Restart, SupervisionConfig

ROOT = Path(__file__).resolve().parents[1]
SUPERVISORD = Path(sys.executable).with_name("supervisord")

# Seconds.
PATIENCE = 30.0  # for any single wait
SETTLED = 2.2  # s6 and runit delay a program that ran for less than 1 s; stock supervisord checks that once a second
IDLE = 20.0

KILLED = 5  # programs, each killed once in a run: most policies, also ours, delay a program that crashes again
SELDOM = {"idle": 3, "orphans": 3}  # the maximum number of runs of slow scenes
ORPHANS = 5000
ORPHANS_PATIENCE = 120.0  # seconds
LOGGED = 100_000_000  # bytes
LINE = 100  # bytes of each line, its newline included

# The programs. Each first writes its PID to a named pipe, WORDS, which this process holds open.
INSTANT = """\
#!/bin/sh
echo $$ > WORDS
exec sleep infinity
"""
SLOW = """\
#!PYTHON -S
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit()))
print(os.getpid(), file=open("WORDS", "w"), flush=True)
while True:
    signal.pause()
"""
CHATTY = """\
#!PYTHON -S
import os, signal
print(os.getpid(), file=open("WORDS", "w"), flush=True)
piece = LINE * 600
for _ in range(TIMES):
    left = memoryview(piece)
    while left:
        left = left[os.write(1, left):]
signal.pause()
"""
PARENT = """\
#!PYTHON -S
import os, signal
group = os.fork()
if group == 0:
    os.setpgid(0, 0)
    for _ in range(ORPHANS):
        if os.fork() == 0:
            signal.pause()
    os._exit(0)
os.wait()
print(group, file=open("WORDS", "w"), flush=True)
signal.pause()
"""
# It adopts the orphans among its descendants, as PID 1 does: PR_SET_CHILD_SUBREAPER, <linux/prctl.h>.
REAPER = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1); os.execvp(sys.argv[1], sys.argv[1:])"
PIECES = LOGGED // (LINE * 600)
TEXT = b"GET /orders/1234/ 200 in 12 ms".ljust(LINE - 1, b".") + b"\n"
OBJECT = b'{"level": "info", "status": 200, "message": "GET /orders/1234/ '.ljust(LINE - 3, b".") + b'"}\n'

STOCK = """\
[supervisord]
nodaemon = true
{user}
logfile = /dev/null
logfile_maxbytes = 0
pidfile = {home}/supervisord.pid

[unix_http_server]
file = {home}/supervisor.sock
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
STOCK_PROGRAM = """
[program:{name}]
command = {script}
autorestart = true
redirect_stderr = true
stdout_logfile = /dev/stdout
stdout_logfile_maxbytes = 0
"""


def ours(home: Path, scripts: Sequence[Path], log_format: str = "text") -> list[str]:
    """Lay out what boot renders; return the command."""
    each = ProgramConfig(essential=True, restart=Restart.ALWAYS)
    programs = [Program(script.name, (str(script),), None, "TERM", 5, each) for script in scripts]
    config = SupervisionConfig(
        ready_file=PurePosixPath(home / "ready.json"),
        programs={program.name: each for program in programs},
        log_format=LogFormat(log_format),
    )
    (home / "supervision.json").write_text(to_json(config), "utf-8")
    given = {
        "root": not os.getuid(),
        "run_dir": home,
        "programs": programs,
        "log_level": "info",
        "supervisor_files": (),
    }
    (home / "supervisord.conf").write_text(render("supervisord.conf.j2", given), "utf-8")
    return [str(SUPERVISORD), "-n", "-c", str(home / "supervisord.conf")]


def ours_json(home: Path, scripts: Sequence[Path]) -> list[str]:
    """Write the files that boot renders for a log in JSON; return the command."""
    return ours(home, scripts, "json")


def stock(home: Path, scripts: Sequence[Path]) -> list[str]:
    """Write a usual supervisord.conf; return the command."""
    programs = "".join(STOCK_PROGRAM.format(name=script.name, script=script) for script in scripts)
    user = "" if os.getuid() else "user = root"
    (home / "supervisord.conf").write_text(STOCK.format(home=home, user=user) + programs, "utf-8")
    return [str(SUPERVISORD), "-n", "-c", str(home / "supervisord.conf")]


def services(home: Path, scripts: Sequence[Path]) -> str:
    """Create a folder for each service, as s6 and runit need it; return their parent."""
    for script in scripts:
        service = home / "services" / script.name
        service.mkdir(parents=True)
        (service / "run").symlink_to(script)
    return str(home / "services")


@dataclass(frozen=True)
class Supervisor:
    """One of the compared supervisors."""

    name: str
    command: str
    lay_out: Callable[[Path, Sequence[Path]], list[str]]
    stop: signal.Signals = signal.SIGTERM


SUPERVISORS = (
    Supervisor("ours", str(SUPERVISORD), ours),
    Supervisor("stock", str(SUPERVISORD), stock),
    Supervisor("s6", "s6-svscan", lambda home, scripts: ["s6-svscan", services(home, scripts)]),
    # On TERM it exits and leaves its programs running.
    Supervisor("runit", "runsvdir", lambda home, scripts: ["runsvdir", services(home, scripts)], signal.SIGHUP),
)


@dataclass(frozen=True)
class Measure:
    """A row: its heading, the format of its numbers, and the goal for ours, an upper bound."""

    heading: str
    unit: str = " ms"
    digits: int = 1
    goal: float | None = None
    above_stock: bool = False  # whether the goal is relative to the value of stock supervisord
    of: Callable[[Sequence[float]], Sequence[float]] = lambda values: values
    key: str = ""  # of the samples, if it differs from the heading


def p99(values: Sequence[float]) -> Sequence[float]:
    """Return the 99th percentile."""
    return [sorted(values)[math.ceil(len(values) * 0.99) - 1]] if values else []


DEATH = Measure("death to new PID", goal=8)
DEATH_P99 = Measure("death to new PID, 99 %", goal=15, of=p99, key=DEATH.heading)
START = Measure("exec to first program", goal=70)
STOP = Measure("TERM to exit, instant child", goal=30)
ZOMBIES = Measure("5,000 orphans: last zombie gone after", unit=" s", digits=2, goal=1)
SLOW_STOP = Measure("stop of three that need 1 s", unit=" s", digits=2, goal=1.1)
WAKE_UPS = Measure("idle: wake-ups a second", unit="", digits=2, goal=0.1)
MEMORY = Measure("idle: memory (PSS)", unit=" MB", goal=1, above_stock=True)
LOG = Measure("log: 100-byte lines", unit=" MB/s", digits=0)
LOG_CPU = Measure("log: CPU for 100 MB", unit=" s", digits=2)
JSON = Measure("JSON log: lines of text", unit=" MB/s", digits=0)
JSON_CPU = Measure("JSON log: CPU for 100 MB", unit=" s", digits=2)
OBJECTS = Measure("JSON log: lines of JSON", unit=" MB/s", digits=0)
OBJECTS_CPU = Measure("JSON log of JSON: CPU for 100 MB", unit=" s", digits=2)
MEASURES = (
    *(DEATH, DEATH_P99, START, STOP, SLOW_STOP, ZOMBIES, WAKE_UPS, MEMORY),
    *(LOG, LOG_CPU, JSON, JSON_CPU, OBJECTS, OBJECTS_CPU),
)


@dataclass(frozen=True)
class Sample:
    """One number of one supervisor in one run, in the unit of its row."""

    supervisor: str
    measure: str
    run: int
    value: float


Values = Iterator[tuple[Measure, float]]


class Words:
    """The named pipe to which programs write their PIDs when they start."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.fd = os.open(path, os.O_RDWR)  # also for writing: a pipe without a writer is at its end
        self._heard = b""

    def next(self) -> tuple[int, float]:
        """Return the next PID and the time at which it was read."""
        while b"\n" not in self._heard:
            wait(self.fd, "hear of a program's start")
            self._heard += os.read(self.fd, 4096)
        word, _, self._heard = self._heard.partition(b"\n")
        return int(word), time.perf_counter()


def wait(fd: int, purpose: str) -> None:
    """Wait until data can be read; `purpose` completes the error message `cannot …`."""
    if not select.select([fd], [], [], PATIENCE)[0]:
        raise Failed(f"cannot {purpose}: nothing within {PATIENCE:g} s")


class Running:
    """A running supervisor with its programs."""

    def __init__(self, supervisor: Supervisor, home: Path, script: str, programs: int, *, read: bool) -> None:
        self._name, self._stop = supervisor.name, supervisor.stop
        self.words = Words(home / "words")
        self.pids: set[int] = set()
        scripts = [home / f"p{number}" for number in range(programs)]
        for path in scripts:
            text = script.replace("PYTHON", sys.executable).replace("WORDS", str(self.words.path))
            path.write_text(text, "utf-8")
            path.chmod(0o755)
        command = supervisor.lay_out(home, scripts)
        self._end, end = os.pipe()
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if read else subprocess.DEVNULL,
            stderr=end,  # each process that is left keeps it open
            cwd=home,
            start_new_session=True,
        )
        os.close(end)
        _, self.started = self.hear()
        for _ in range(programs - 1):
            self.hear()

    def hear(self) -> tuple[int, float]:
        """Return the PID of the next program that starts, and the time of its start."""
        pid, at = self.words.next()
        self.pids.add(pid)
        return pid, at

    @property
    def stdout(self) -> int:
        """The descriptor of its log."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def own(self) -> list[psutil.Process]:
        """Return the processes of the supervisor itself."""
        top = psutil.Process(self._process.pid)
        return [top, *(each for each in top.children(recursive=True) if each.pid not in self.pids)]

    def stop(self) -> float:
        """Stop it by its own stop signal; return the seconds until no process is left."""
        began = time.perf_counter()
        self._process.send_signal(self._stop)
        while True:
            wait(self._end, f"stop {self._name}")
            if not os.read(self._end, 65536):
                self._process.wait()
                return time.perf_counter() - began

    def close(self) -> None:
        """Kill all processes that are left."""
        if self._process.poll() is None:
            for each in self.own():  # parents first, because they restart their programs
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            for pid in self.pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        os.close(self._end)
        os.close(self.words.fd)


@contextmanager
def running(supervisor: Supervisor, script: str, programs: int = 1, *, read: bool = False) -> Iterator[Running]:
    """Start a supervisor and wait for its programs; kill all at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-supervision-") as home:
        container = Running(supervisor, Path(home), script, programs, read=read)
        try:
            yield container
        finally:
            container.close()


def one(supervisor: Supervisor) -> Values:
    """Start and stop one program."""
    with running(supervisor, INSTANT) as container:
        yield START, 1e3 * (container.started - container.began)
        time.sleep(SETTLED + random.random())  # a random moment between two ticks
        yield STOP, 1e3 * container.stop()


def kills(supervisor: Supervisor) -> Values:
    """Kill each of several programs."""
    with running(supervisor, INSTANT, KILLED) as container:
        time.sleep(SETTLED)
        for pid in list(container.pids):
            began = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            container.pids.discard(pid)
            yield DEATH, 1e3 * (container.hear()[1] - began)
        time.sleep(SETTLED)
        container.stop()


def slow(supervisor: Supervisor) -> Values:
    """Stop programs that exit slowly."""
    with running(supervisor, SLOW, 3) as container:
        time.sleep(SETTLED)
        yield SLOW_STOP, container.stop()


def orphans(supervisor: Supervisor) -> Values:
    """Kill many orphans at once."""

    def lay_out(home: Path, scripts: Sequence[Path]) -> list[str]:
        return [sys.executable, "-c", REAPER, *supervisor.lay_out(home, scripts)]

    with running(replace(supervisor, lay_out=lay_out), PARENT.replace("ORPHANS", str(ORPHANS))) as container:
        (group,) = container.pids
        began = time.perf_counter()
        os.killpg(group, signal.SIGKILL)
        with suppress(ProcessLookupError):
            while time.perf_counter() < began + ORPHANS_PATIENCE:
                os.killpg(group, 0)  # a zombie is also a member
                time.sleep(0.002)
            raise Failed(f"cannot measure {supervisor.name}: its orphans are not gone after {ORPHANS_PATIENCE:g} s")
        yield ZOMBIES, time.perf_counter() - began
        container.stop()


def idle(supervisor: Supervisor) -> Values:
    """Measure the supervisor's own processes while it is idle."""
    with running(supervisor, INSTANT, 2) as container:
        time.sleep(SETTLED)
        own = container.own()
        before = sum(each.num_ctx_switches().voluntary for each in own)
        time.sleep(IDLE)
        yield WAKE_UPS, (sum(each.num_ctx_switches().voluntary for each in own) - before) / IDLE
        yield MEMORY, sum(each.memory_full_info().pss for each in own) / 1e6
        container.stop()


def cpu(own: Sequence[psutil.Process]) -> float:
    """Return the CPU time of the processes in seconds."""
    return sum(each.cpu_times().user + each.cpu_times().system for each in own)


def log(supervisor: Supervisor, line: bytes, speed: Measure, work: Measure) -> Values:
    """Read the output of a program that writes as fast as it can."""
    script = CHATTY.replace("LINE", repr(line)).replace("TIMES", str(PIECES))
    with running(supervisor, script, read=True) as container:
        own = container.own()
        began, before = time.perf_counter(), cpu(own)
        lines = PIECES * 600
        while lines > 0:
            wait(container.stdout, f"read the log of {supervisor.name}")
            lines -= os.read(container.stdout, 1 << 20).count(b"\n")
        yield speed, LOGGED / 1e6 / (time.perf_counter() - began)
        yield work, cpu(own) - before
        container.stop()


def logs(supervisor: Supervisor) -> Values:
    """Measure each log format of the supervisor."""
    yield from log(supervisor, TEXT, LOG, LOG_CPU)
    if supervisor.lay_out is ours:
        in_json = replace(supervisor, lay_out=ours_json)
        yield from log(in_json, TEXT, JSON, JSON_CPU)
        yield from log(in_json, OBJECT, OBJECTS, OBJECTS_CPU)


SCENES: dict[str, Callable[[Supervisor], Values]] = {
    "one": one,
    "kills": kills,
    "slow": slow,
    "orphans": orphans,
    "idle": idle,
    "logs": logs,
}


def measure_all(supervisors: Sequence[Supervisor], scenes: Sequence[str], runs: int) -> list[Sample]:
    """Measure the supervisors in turn; run 0 warms the page cache and does not count."""
    samples = []
    for run in range(runs + 1):
        for scene in scenes:
            if scene in SELDOM and run not in range(1, SELDOM[scene] + 1):
                continue
            for supervisor in supervisors:
                print(f"run {run} of {runs}: {scene}, {supervisor.name}   ", end="\r", file=sys.stderr, flush=True)
                values = SCENES[scene](supervisor)
                samples += [Sample(supervisor.name, measure.heading, run, value) for measure, value in values]
    print(" " * 40, end="\r", file=sys.stderr, flush=True)
    return [sample for sample in samples if sample.run > 0]


def measured(samples: Sequence[Sample], supervisor: str, measure: Measure) -> Sequence[float]:
    """Return the values of a supervisor in this row."""
    key = measure.key or measure.heading
    return measure.of([each.value for each in samples if (each.supervisor, each.measure) == (supervisor, key)])


def goal(samples: Sequence[Sample], measure: Measure) -> float | None:
    """Return the goal for ours, in this row's unit."""
    if not measure.above_stock or measure.goal is None:
        return measure.goal
    values = measured(samples, "stock", measure)
    return median(values) + measure.goal if values else None


def rows(samples: Sequence[Sample]) -> list[list[str]]:
    """Return the heading and a row for each measure."""
    names = list(dict.fromkeys(sample.supervisor for sample in samples))
    table = [["", "goal", *names]]
    for measure in MEASURES:
        most = goal(samples, measure)
        wanted = NOTHING if most is None else f"{most:.{measure.digits}f}{measure.unit}"
        cells = [spread(measured(samples, name, measure), measure.digits, measure.unit) for name in names]
        if any(cell != NOTHING for cell in cells):
            table.append([measure.heading, wanted, *cells])
    return table


def missed(samples: Sequence[Sample]) -> list[str]:
    """Return the headings of the rows in which ours is worse than its goal."""
    bounds = ((measure, goal(samples, measure), measured(samples, "ours", measure)) for measure in MEASURES)
    return [
        measure.heading for measure, most, values in bounds if most is not None and values and median(values) > most
    ]


def bench(options: argparse.Namespace) -> None:
    """Measure, print."""
    supervisors = [each for each in SUPERVISORS if each.name in options.supervisors]
    for each in supervisors:
        if not shutil.which(each.command):
            raise Failed(
                f"cannot measure {each.name}: the command {each.command} is not there, `make bench` installs it"
            )
    # In an image pip has compiled the packages to byte code; a source tree may have none.
    compileall.compile_dir(ROOT / "entrypoint", quiet=1)
    samples = measure_all(supervisors, options.scenes, options.runs)
    where = f"{machine()}, Python {platform.python_version()}, supervisor {version('supervisor')}"
    print(draw(rows(samples)))
    print(f"\nMedian (min to max), runs: {options.runs}. {where}.")
    if names := missed(samples):
        print(f"Goals missed: {'; '.join(names)}.")
    if options.json:
        write(options.json, {"machine": where, "samples": [asdict(sample) for sample in samples]})


def arguments() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    names = [each.name for each in SUPERVISORS]
    made = parser("Our plugin in supervisord beside stock supervisord, s6 and runit.", runs=10)
    made.add_argument("--supervisors", nargs="+", choices=names, default=names, help="only these (default: all)")
    made.add_argument("--scenes", nargs="+", choices=SCENES, default=[*SCENES], help="only these (default: all)")
    return made


if __name__ == "__main__":
    sys.exit(carry_out(bench, arguments().parse_args()))
