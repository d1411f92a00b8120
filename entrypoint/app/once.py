"""Hooks that run once: a row in Django's table of migrations names each one that has succeeded.

The agent holds a lock from the first request, which asks whether the hook is due, to the second one, which records it.
If the hook fails, boot ends the agent, and the database releases the lock.
"""

import hashlib
from contextlib import ExitStack
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.recorder import MigrationRecorder

from entrypoint.app.migrations import lock
from entrypoint.app.reporting import Progress
from entrypoint.protocol.agent import AgentResult, HookDoneRequest, HookDueRequest

APP: Final = "entrypoint_hooks"
"""The app of our rows in Django's table. No app of that name has migrations."""
_RUN: Final = lock.Purpose("run the hooks of", "running them", "hooks", "lock for hooks")
_PATIENCE: Final = 30.0  # seconds for the lock's own connection
_LONGEST: Final = 255  # characters: the length of the column
_held: Final = ExitStack()


def begin(request: HookDueRequest, progress: Progress) -> AgentResult:
    """Hold the lock and return that the hook is due, unless it has run. Raises AgentError."""
    connection = connections[DEFAULT_DB_ALIAS]
    if not _has_run(connection, request.hook):
        _held.enter_context(lock.held(connection, _PATIENCE, progress, _RUN))
        if not _has_run(connection, request.hook):
            connection.close()  # the hook may take longer than the server keeps an idle session
            return AgentResult(f"{request.hook} has not run", number=1)
        _held.close()
    return AgentResult(f"{request.hook} has run")


def finish(request: HookDoneRequest, _progress: Progress) -> AgentResult:
    """Record that the hook has run, and release the lock."""
    MigrationRecorder(connections[DEFAULT_DB_ALIAS]).record_applied(APP, _row(request.hook))
    _held.close()
    return AgentResult(f"{request.hook} is recorded")


def _has_run(connection: Any, hook: str) -> bool:
    return (APP, _row(hook)) in MigrationRecorder(connection).applied_migrations()


def _row(hook: str) -> str:
    """Return the name of the row. An old MySQL table holds only some characters."""
    name = hook.encode("ascii", "backslashreplace").decode()
    return name if len(name) <= _LONGEST else hashlib.sha256(name.encode()).hexdigest()
