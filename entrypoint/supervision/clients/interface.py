"""The methods of supervisord's control socket for `entrypoint reload`."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from entrypoint.protocol.codec import from_json, to_json
from entrypoint.protocol.reload import ReloadRequest, ReloadResult, ReloadState
from entrypoint.supervision.handover import Current
from entrypoint.supervision.internals import Supervisord, deferred
from entrypoint.supervision.reload.reload import Reload


class Interface:
    """The methods for `entrypoint reload`. supervisord offers every public method of this class to all clients."""

    def __init__(
        self, reloading: Reload, supervisord: Supervisord, current: Current, why_no_reload: Callable[[], str]
    ) -> None:
        """`why_no_reload` returns why no reload may begin now, or an empty text."""
        self._reloading = reloading
        self._supervisord = supervisord
        self._current = current
        self._why_no_reload = why_no_reload

    def state(self) -> str:
        """Return the state that a reload starts from, a ReloadState.

        @return string result  A JSON object
        """
        return to_json(ReloadState(self._current.environments, PurePosixPath(Path.cwd()), self._why_no_reload()))

    def reload(self, request: str) -> Any:  # noqa: ANN401 - a callable until it is done, as supervisord wants it
        """Apply a ReloadRequest whose files have been written; return a ReloadResult.

        @param string request  A JSON object
        @return string result  A JSON object
        """
        if why := self._why_no_reload():
            return to_json(ReloadResult(error=why, late=True))
        result = self._reloading.begin(from_json(ReloadRequest, request, "the reload"))

        def found() -> str | None:
            if (end := result()) is None:
                return None
            if end.error:
                self._supervisord.critical(f"cannot reload: {end.error}")
            else:
                self._supervisord.info(f"reload: {', '.join(end.done) or 'nothing to do'}")
            return to_json(end)

        return deferred(found)
