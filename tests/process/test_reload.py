"""What a reload needs before it changes anything: process 1 that answers, the lock, and files that can be written."""

import fcntl
import socket
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from entrypoint.boot.effects.disk import run_files
from entrypoint.boot.effects.processes.control_socket import ControlSocket
from entrypoint.boot.reload import reload
from entrypoint.errors import NotAllowed, NotFound, TimedOut
from entrypoint.protocol import filenames


def test_without_process_1_nothing_is_reloaded(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"cannot open .*No such file or directory; nothing runs here"):
        ControlSocket(tmp_path)
    with closing(socket.socket(socket.AF_UNIX)) as left:  # by a supervisord that was killed
        left.bind(str(tmp_path / filenames.CONTROL_SOCKET))
    with pytest.raises(NotFound, match=r"cannot open .*Connection refused; nothing runs here"):
        ControlSocket(tmp_path)
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "phase.json").touch()
    with pytest.raises(TimedOut, match="the container is still booting"):
        ControlSocket(tmp_path)


def test_one_reload_at_a_time(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as process_1, (tmp_path / "reload.lock").open("w") as other:
        process_1.bind(str(tmp_path / filenames.CONTROL_SOCKET))
        process_1.listen()
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(TimedOut, match="another reload has not ended"):
            reload(tmp_path, (), lambda *_: None)


def test_if_a_file_cannot_be_written_all_stay_as_they_were(tmp_path: Path) -> None:
    first, second = PurePosixPath(tmp_path / "first"), PurePosixPath(tmp_path / "missing" / "second")
    run_files.write(first, "old")
    with pytest.raises(NotAllowed, match=r"cannot write .*missing/second: No such file or directory"):
        run_files.write_all({first: "new", second: "new"})
    assert run_files.read(first) == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["first"]
    assert run_files.read(second) is None
