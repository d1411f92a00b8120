"""The control socket of the supervisord that is process 1."""

import http.client
import os
import select
import socket
import stat
import xmlrpc.client
from pathlib import Path, PurePath
from typing import Any, Final

from entrypoint.boot.effects.signals import StopRequests
from entrypoint.errors import NotAllowed, NotFound, TimedOut
from entrypoint.protocol import filenames
from entrypoint.protocol.codec import from_json, to_json
from entrypoint.protocol.reload import ReloadRequest, ReloadResult, ReloadState

_PATIENCE: Final = 10.0  # seconds until process 1 says what a reload starts from
_SOURCE: Final = "the answer of process 1"


class ControlSocket:
    """Calls the plugin's methods in process 1."""

    def __init__(self, folder: Path) -> None:
        """Find the socket in the run directory. Raises NotAllowed, or NotFound if nothing runs here."""
        self._path = folder / filenames.CONTROL_SOCKET
        try:
            found = self._path.lstat()
            with socket.socket(socket.AF_UNIX) as tried:
                tried.settimeout(_PATIENCE)
                tried.connect(str(self._path))
        except PermissionError as error:
            why = f"{self._path}: {error.strerror}; run the command as the container's user"
            raise NotAllowed(f"cannot reload: cannot open {why}") from error
        except OSError as error:
            if os.path.exists(folder / filenames.PHASE):  # noqa: PTH110 -- Path.exists may raise
                raise TimedOut("cannot reload: the container is still booting") from error
            why = f"cannot open {self._path}: {error.strerror}"
            raise NotFound(f"cannot reload: {why}; nothing runs here with these settings") from error
        if os.geteuid() != found.st_uid or not stat.S_ISSOCK(found.st_mode):
            # Root must not trust another user's supervisord, nor write into that user's folder.
            raise NotAllowed(f"cannot reload: uid {found.st_uid} owns {self._path}; run the command as that user")

    def state(self) -> ReloadState:
        """Return what a reload starts from. Raises TimedOut if process 1 does not answer."""
        return from_json(ReloadState, self._call("state", seconds=_PATIENCE), _SOURCE)

    def apply(self, request: ReloadRequest) -> ReloadResult:
        """Apply a reload whose files have been written. Raises TimedOut if process 1 ends meanwhile."""
        return from_json(ReloadResult, self._call("reload", to_json(request)), _SOURCE)

    def _call(self, method: str, *arguments: str, seconds: float | None = None) -> str:
        try:
            return str(getattr(proxy(self._path.parent, seconds), f"entrypoint.{method}")(*arguments))
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise TimedOut(f"cannot reload: process 1 does not answer on {self._path}: {error}") from error


def proxy(folder: PurePath, seconds: float | None, stops: StopRequests | None = None) -> xmlrpc.client.ServerProxy:
    """Return a proxy for supervisord's methods in this run directory. Each call may take `seconds`, None: no limit.

    A call raises Stopped if a stop is requested before supervisord answers.
    """
    transport = _Transport(str(folder / filenames.CONTROL_SOCKET), seconds, stops)
    return xmlrpc.client.ServerProxy("http://localhost", transport=transport)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: str, seconds: float | None, stops: StopRequests | None) -> None:
        super().__init__()
        self._path = path
        self._seconds = seconds
        self._stops = stops

    def send_request(self, *arguments: Any) -> http.client.HTTPConnection:  # noqa: ANN401 -- its signature
        connection = super().send_request(*arguments)
        if self._stops and self._stops in select.select([connection.sock, self._stops], [], [], self._seconds)[0]:
            self._stops.check()
        return connection

    def make_connection(self, host: object) -> http.client.HTTPConnection:  # noqa: ARG002 -- its signature
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(self._seconds)
        connection.sock.connect(self._path)
        return connection
