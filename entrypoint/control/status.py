"""The state of the programs in this container, from the run directory and /proc.

Every user may read both, also while supervisord hangs. So nothing here waits for supervisord, except one short call
that tests whether it answers.
"""

import json
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from entrypoint.control import place, serving
from entrypoint.control.health import in_words, unready
from entrypoint.control.serving import Expiry, Serving
from entrypoint.errors import NotAllowed, Unusable
from entrypoint.processes.table import Process, Processes, memory, processes, tree
from entrypoint.protocol import filenames
from entrypoint.protocol.codec import ConfigError, from_json
from entrypoint.protocol.reload import ReloadRecord
from entrypoint.protocol.status_record import ProgramRecord, StatusRecord

_SAMPLE: Final = 0.2  # seconds in which CPU time is measured
_PATIENCE: Final = 0.3  # seconds that supervisord has to answer
_ANSWERING: Final = frozenset({"running", "stopping"})  # the states in which supervisord answers
_EXECED: Final = '{"phase": "starting"}'  # supervisord is process 1, and has not written its record yet
_UNSEEN: Final = {
    "GONE": "it has ended, and supervisord has not noticed",
    "FROZEN": "a signal has stopped it (SIGSTOP)",
}
"""The states that /proc shows and supervisord does not know."""


class Setting(NamedTuple):
    """A setting that is not the default."""

    name: str
    value: str
    source: str


class Row(NamedTuple):
    """One program."""

    program: str
    state: str
    """supervisord's state of the process, or what /proc shows instead: FROZEN, GONE."""
    ready: bool
    essential: bool
    pid: int | None
    uptime: float | None
    """Seconds."""
    cpu: float | None
    """Percent of one CPU, with all descendants."""
    memory: int | None
    """Bytes, with all descendants."""
    restarts: int
    last_end: str
    ended: float | None
    """When that was, in seconds since the epoch."""
    why: str
    """Why it is not ready."""
    memory_kind: str | None
    """How its memory is counted, pss or rss: see Memory."""


class Status(NamedTuple):
    """The state of the container."""

    ready: bool
    waits_for: str
    """Why it is not ready, in words; empty if it is."""
    supervisord: str
    """running, stopping, frozen (by SIGSTOP) or unresponsive; starting: the boot still prepares the application."""
    programs: tuple[Row, ...]
    settings: tuple[Setting, ...]
    reload: ReloadRecord | None = None
    """The last reload."""
    serving: Serving | None = None
    """None if there is no application server, or supervisord does not answer."""
    maintenance: bool = False
    """Whether visitors get 503."""
    certificates: tuple[Expiry, ...] = ()
    """Those of the site; empty while supervisord does not answer."""


def read(run_dir: Path, settings: Sequence[Setting], proc: Path = Path("/proc")) -> Status:
    """Return the state of the container whose run directory this is. Raises NotAllowed, Unusable."""
    record, before = _record(run_dir / filenames.PROGRAMS), processes()
    maintenance = (run_dir / filenames.MAINTENANCE).exists()
    if record is None or not _lives(record, before):
        phase = _text(run_dir / filenames.PHASE) or (_EXECED if place.of_process_1(proc) == run_dir else "")
        if not phase:
            raise Unusable(_nothing(run_dir, record))
        return Status(False, in_words(phase), "starting", (), tuple(settings), maintenance=maintenance)  # noqa: FBT003 -- a field
    began = time.monotonic()
    supervisord = _state(record, before, run_dir / filenames.CONTROL_SOCKET)
    asked, samples = time.monotonic(), serving.ask(run_dir / filenames.HTTP_SOCKET) if supervisord in _ANSWERING else {}
    time.sleep(max(0.0, _SAMPLE - (time.monotonic() - began)))
    now = processes()
    seconds = time.monotonic() - began
    again = serving.ask(run_dir / filenames.HTTP_SOCKET) if samples else {}
    served = serving.between(samples, again, time.monotonic() - asked)
    fresh = _record(run_dir / filenames.PROGRAMS) or record
    rows = tuple(_row(program, before, now, seconds) for program in fresh.programs)
    ready, waits_for = _readiness(run_dir, rows)
    reloaded, expiries = _last_reload(run_dir / filenames.RELOAD), serving.expiries(samples)
    return Status(ready, waits_for, supervisord, rows, tuple(settings), reloaded, served, maintenance, expiries)


def as_json(status: Status) -> str:
    """Return the status as JSON; docs/how-to/look-inside.md describes it."""
    return json.dumps(_plain(status), indent=2) + "\n"


def _plain(value: object) -> object:
    """Return a named tuple, and each that it contains, as a dictionary."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: _plain(each) for key, each in value._asdict().items()}
    return list(map(_plain, value)) if isinstance(value, tuple) else value


def _last_reload(file: Path) -> ReloadRecord | None:
    try:
        return from_json(ReloadRecord, file.read_bytes(), str(file))
    except (OSError, ConfigError):  # `status` answers, whatever is there
        return None


def _record(file: Path) -> StatusRecord | None:
    try:
        return from_json(StatusRecord, file.read_bytes(), str(file))
    except FileNotFoundError:
        return None
    except OSError as error:
        kind = NotAllowed if isinstance(error, PermissionError) else Unusable
        raise kind(f"cannot read {file}: {error.strerror}") from error
    except ConfigError as error:
        raise Unusable(f"cannot read {file}: it is not a record of programs") from error


def _nothing(run_dir: Path, record: StatusRecord | None) -> str:
    if record is not None:
        return f"cannot show the programs: the supervisord of {run_dir} has ended"
    why = "" if run_dir.exists() else f": there is no {run_dir}"
    return f"cannot show the programs: nothing was started here with these settings{why}"


def _lives(record: StatusRecord, among: Processes) -> bool:
    process = among.get(record.pid)
    return process is not None and process.started == record.started and process.state != "Z"


def _state(record: StatusRecord, among: Processes, control: Path) -> str:
    if among[record.pid].state in "Tt":
        return "frozen"
    if not _answers(control):
        return "unresponsive"
    return "stopping" if record.stopping else "running"


def _answers(control: Path) -> bool:
    """Return whether supervisord answers on its control socket; True if this user may not ask."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(str(control))
            # supervisord refuses this method at once: it costs less than a call.
            connection.sendall(b"GET /RPC2 HTTP/1.0\r\n\r\n")
            return bool(connection.recv(1))
        except PermissionError:
            return True
        except OSError:  # the socket is gone, or nobody reads from it
            return False


def _row(record: ProgramRecord, before: Processes, now: Processes, seconds: float) -> Row:
    process = now.get(record.pid) if record.pid else None
    alive = process is not None and process.state != "Z"
    state = _shown_state(record, process)
    members = tuple(tree(record.pid, now)) if alive else ()
    size, kind = memory(members) if alive else (None, None)
    return Row(
        program=record.name,
        state=state,
        ready=record.ready and state == record.state,
        essential=record.essential,
        pid=record.pid or None,
        uptime=round(process.seconds, 1) if process and alive else None,
        cpu=_cpu(members, before, seconds) if alive else None,
        memory=size,
        restarts=record.restarts,
        last_end=record.last_end,
        ended=record.ended or None,
        why=record.why if state == record.state else _UNSEEN[state],
        memory_kind=kind,
    )


def _shown_state(record: ProgramRecord, process: Process | None) -> str:
    if not record.pid:
        return record.state
    if process is None or process.state == "Z":
        return "GONE"
    return "FROZEN" if process.state in "Tt" else record.state


def _cpu(members: Sequence[Process], before: Processes, seconds: float) -> float:
    """Return the percent of one CPU that the processes used since `before`."""
    used = sum(each.cpu - (before[each.pid].cpu if each.pid in before else 0) for each in members)
    return round(max(0.0, 100 * used / seconds), 1) if seconds else 0.0


def _readiness(run_dir: Path, rows: Sequence[Row]) -> tuple[bool, str]:
    """Return whether the container is ready, and why not. /proc wins over the file that supervisord wrote."""
    unseen = [f"{row.program}: {row.why}" for row in rows if row.essential and row.state in _UNSEEN]
    if unseen:
        return False, "; ".join(unseen)
    return (True, "") if (run_dir / filenames.READY).exists() else (False, unready(run_dir))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
