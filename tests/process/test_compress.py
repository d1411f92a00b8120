"""`entrypoint prepare --only compress`: files that nginx sends are compressed ahead, by the user who owns them."""

from __future__ import annotations

import gzip
import os
import random
import re
import sys
from typing import TYPE_CHECKING

import brotli
import pytest
from reachable import NOBODY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from conftest import Command, Done, Project

TEXT = "p { color: black }\n" * 50
ONLY = ("prepare", "--only", "compress")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")


@pytest.fixture
def files(place: Path) -> Path:
    folder = place / "files"
    folder.mkdir()
    (folder / "a.css").write_text(TEXT)
    return folder


def compress(entrypoint: Command, plain: Path, files: Path, **environ: str) -> Done:
    given = {"ENTRYPOINT_APP": "hello:app", "NGINX_STATIC_URL": "/static/", "NGINX_STATIC_ROOT": str(files)}
    return entrypoint.run(plain, *ONLY, **{**given, **environ})


def said(done: Done) -> str:
    """Return the line that says what was done."""
    assert done.code == 0, done.err
    (line,) = re.findall(r"^\[entrypoint\]     (.*)$", done.err, re.MULTILINE)
    return str(line)


def contents(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_are_compressed_where_it_gains_and_once(entrypoint: Command, plain: Path, files: Path) -> None:
    incompressible = random.Random(1).randbytes(5000)
    (files / "noise.js").write_bytes(incompressible)
    (files / "tiny.css").write_text("a{}")
    (files / "picture.png").write_text(TEXT)
    (files / "deep").mkdir()
    (files / "deep" / "b.svg").write_text(TEXT)
    (files / ".hidden.css").write_text(TEXT)
    (files / "link.css").symlink_to("a.css")
    assert re.fullmatch(
        r"files compressed: 2 of 4; \.gz: 2, 1\.9 kB become 0\.\d kB; \.br: 2, 1\.9 kB become 0\.\d kB",
        said(compress(entrypoint, plain, files)),
    )
    written = {name: data for name, data in contents(files).items() if name.endswith((".gz", ".br"))}
    assert written.keys() == {"a.css.gz", "a.css.br", "deep/b.svg.gz", "deep/b.svg.br"}
    for name, data in written.items():
        assert (gzip if name.endswith(".gz") else brotli).decompress(data).decode() == TEXT
        assert (files / name).stat().st_mtime_ns == (files / name[:-3]).stat().st_mtime_ns
        assert (files / name).stat().st_mode == (files / name[:-3]).stat().st_mode
    before = contents(files)
    assert said(compress(entrypoint, plain, files)).startswith("files compressed: 0 of 4; ")
    assert contents(files) == before


def test_a_compressed_file_that_is_new_enough_is_kept_and_an_older_one_is_not(
    entrypoint: Command, plain: Path, files: Path
) -> None:
    (files / "old.css").write_text(TEXT)
    (files / "noise.js").write_bytes(random.Random(1).randbytes(5000))
    for name in ("a.css.gz", "old.css.gz", "noise.js.gz"):
        (files / name).write_text("given")
    for name in ("old.css.gz", "noise.js.gz"):
        os.utime(files / name, (1, 1))
    said(compress(entrypoint, plain, files))
    found = contents(files)
    assert found["a.css.gz"] == b"given"
    assert gzip.decompress(found["old.css.gz"]).decode() == TEXT
    assert "noise.js.gz" not in found  # nginx would send another text than that of the file


def test_a_build_compresses_what_django_has_collected_itself_without_its_secret_or_database(
    entrypoint: Command, project: Project
) -> None:
    static = project.root / "data" / "static"
    static.mkdir()
    (static / "a.css").write_text(TEXT)
    project.add_setting('SECRET_KEY = os.environ["SECRET_KEY"]\nDATABASES["default"]["NAME"] = "/nonexistent/db"\n')
    data = entrypoint.place / "kept"
    data.mkdir()
    assert said(entrypoint.run(project.root, *ONLY, ENTRYPOINT_DATA_DIR=str(data))).startswith("files compressed: 1 ")
    assert list(data.iterdir()) == []
    assert contents(static).keys() == {"a.css", "a.css.gz", "a.css.br"}


@root_only
def test_compressed_files_belong_to_the_owner_of_the_folder(entrypoint: Command, plain: Path, files: Path) -> None:
    for path in (files, files / "a.css"):
        os.chown(path, NOBODY, NOBODY)
    said(compress(entrypoint, plain, files))
    assert {path.stat().st_uid for path in files.iterdir()} == {NOBODY}


@root_only
def test_root_writes_no_file_where_another_user_can_put_links(entrypoint: Command, plain: Path, files: Path) -> None:
    (files / "theirs").mkdir()
    (files / "theirs" / "b.css").write_text(TEXT)
    os.chown(files / "theirs", NOBODY, NOBODY)
    said(compress(entrypoint, plain, files))
    assert contents(files).keys() == {"a.css", "a.css.gz", "a.css.br", "theirs/b.css"}


@root_only
@pytest.mark.parametrize(("owner", "runs"), [((33, 0), True), ((NOBODY, 0), False), ((0, 0), False)])
def test_the_applications_interpreter_runs_as_the_applications_user_without_a_terminal(
    entrypoint: Command, plain: Path, files: Path, owner: tuple[int, int], *, runs: bool
) -> None:
    trace = plain / "trace"
    trace.mkdir(mode=0o777)
    trace.chmod(0o1777)
    planted = plain / "python"
    planted.write_text(
        f"#!/bin/sh\nread -r pid _ _ _ _ session _ </proc/$$/stat\n"
        f'echo "$(id -u) $(id -g) $((pid - session))" >{trace}/$$\nexec {sys.executable} "$@"\n'
    )
    planted.chmod(0o755)
    os.chown(files, *owner)
    compress(entrypoint, plain, files, ENTRYPOINT_PYTHON=str(planted), ENTRYPOINT_USER="33:33")
    assert {path.read_text() for path in trace.iterdir()} == ({"33 33 0\n"} if runs else set())


@root_only
def test_root_compresses_nothing_in_a_folder_that_the_applications_user_can_write(
    entrypoint: Command, plain: Path, files: Path
) -> None:
    os.chown(files, 0, 33)
    files.chmod(0o775)
    done = compress(entrypoint, plain, files, ENTRYPOINT_USER="33:33")
    assert (done.code, f"can write {files}" in done.err) == (77, True)
    assert contents(files).keys() == {"a.css"}


def test_a_pipe_is_no_file(entrypoint: Command, plain: Path, files: Path) -> None:
    os.mkfifo(files / "pipe.css")
    assert said(compress(entrypoint, plain, files)).startswith("files compressed: 1 of 1; ")


def test_a_folder_that_is_missing_or_cannot_be_written_is_named(
    entrypoint: Command, plain: Path, files: Path, ordinary_user: int | None
) -> None:
    missing = compress(entrypoint, plain, files / "none")
    why = f"cannot compress the files in {files}/none: No such file or directory; collect the static files first"
    assert (missing.code, missing.err.splitlines()[-1]) == (78, f"[entrypoint] {why}")
    files.chmod(0o555)
    closed = compress(
        entrypoint.as_user(ordinary_user), plain, files, ENTRYPOINT_RUN_DIR=f"{plain}/run", ENTRYPOINT_USER=""
    )
    assert closed.code == 77
    assert re.search(rf"cannot write the compressed files: {files}/[^:]+: Permission denied", closed.err)
