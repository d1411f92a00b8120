"""The agent's messages to the boot."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deadline import PATIENCE

import entrypoint.app
from entrypoint.protocol.agent import Message, MigrateRequest, ProgressReport, Request, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Command, Project

MAIN = Path(entrypoint.app.__file__).with_name("__main__.py")
MIGRATE = MigrateRequest("auto", 5, allow_older=False, url=None, lock_timeout=None, statement_timeout=None)


@contextmanager
def agent(project: Project) -> Iterator[Callable[[Request], list[Message]]]:
    """Give a function that sends a request and returns all messages up to its result."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    with ours, ours.makefile("rb") as stream:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-PB", str(MAIN), str(theirs.fileno())], cwd=project.root, pass_fds=[theirs.fileno()]
            )
        for _facts in ("settings", "apps"):
            stream.readline()

        def ask(request: Request) -> list[Message]:
            ours.sendall(encode(request))
            answers = [decode(stream.readline())]
            while isinstance(answers[-1], ProgressReport):
                answers.append(decode(stream.readline()))
            return answers

        yield ask
    assert process.wait(PATIENCE) == 0


def test_a_single_migration_is_counted_before_it_is_applied(entrypoint: Command, project: Project) -> None:
    assert entrypoint.run(project.root, "prepare", "--only", "migrate").code == 0
    project.write("shelf/migrations/0002_more.py", MORE)
    with agent(project) as ask:
        first, second, _result = ask(MIGRATE)
    assert first == ProgressReport("applying 1 migration", 0, 1)
    assert second == ProgressReport("migrated 1/1 shelf.0002_more", 1, 1)


MORE = """
    from django.db import migrations


    class Migration(migrations.Migration):
        dependencies = [("shelf", "0001_initial")]
"""
