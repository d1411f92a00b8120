"""Static files: collected when there is a reason, while readers read, and compressed ahead of the boot."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import brotli
import pytest
from deadline import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command, Done, Project

ONLY = ("prepare", "--only", "collectstatic")
BOOT = ("prepare", "--skip", "validate", "--skip", "port")
MANIFEST = 'STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}\n'
TEXT = "p { color: black }\n" * 50


def static(project: Project) -> Path:
    return project.root / "data/static"


def names(project: Project) -> set[str]:
    root = static(project)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def collect(entrypoint: Command, project: Project, **environ: str) -> Done:
    return entrypoint.run(project.root, *ONLY, **environ)


def change(project: Project, text: str) -> None:
    """Write another text of another size into the one file."""
    project.write("shelf/static/shelf/book.css", text)


def test_an_images_build_needs_no_database(entrypoint: Command, project: Project) -> None:
    project.add_setting('DATABASES["default"]["NAME"] = "/nonexistent/db.sqlite3"\n')
    done = collect(entrypoint, project, PORT="1")
    assert done.code == 0
    assert "     1 static file collected and precompressed\n" in done.err


def test_compressed_files_stand_beside_those_that_they_are_smaller_than(entrypoint: Command, project: Project) -> None:
    change(project, TEXT)
    project.write("shelf/static/shelf/tiny.css", "a{}")
    project.write("shelf/static/shelf/picture.png", TEXT)
    assert collect(entrypoint, project).code == 0
    packed = {"shelf/book.css.gz": gzip.decompress, "shelf/book.css.br": brotli.decompress}
    assert names(project) == {"shelf/book.css", "shelf/tiny.css", "shelf/picture.png", *packed}
    for name, method in packed.items():
        assert method((static(project) / name).read_bytes()).decode() == TEXT
        assert (static(project) / name).stat().st_mtime_ns == (static(project) / "shelf/book.css").stat().st_mtime_ns


def test_an_application_without_brotli_gets_files_of_gzip_alone(entrypoint: Command, project: Project) -> None:
    change(project, TEXT)
    project.write("brotli.py", "raise ImportError\n")
    assert collect(entrypoint, project).code == 0
    assert names(project) == {"shelf/book.css", "shelf/book.css.gz"}


@pytest.mark.parametrize("words", [("serve",), BOOT], ids=["serve", "prepare"])
def test_a_boot_takes_no_time_to_compress_and_leaves_no_compressed_file_of_another_text(
    entrypoint: Command, project: Project, words: tuple[str, ...], free_port: int
) -> None:
    change(project, TEXT)
    assert collect(entrypoint, project).code == 0
    change(project, TEXT + "b { color: red }\n")
    if words == ("serve",):
        running = entrypoint.start(project.root, *words, PORT=f"127.0.0.1:{free_port}")
        running.wait_until_it_says("1 static file collected\n")
        running.stop(signal.SIGTERM)
        assert names(project) == {"shelf/book.css"}
    else:
        assert entrypoint.run(project.root, *words).code == 0
        packed = gzip.decompress((static(project) / "shelf/book.css.gz").read_bytes())
        assert packed.decode() == TEXT + "b { color: red }\n"


def test_a_folder_that_prepare_has_compressed_is_up_to_date_for_the_boot_but_not_the_reverse(
    entrypoint: Command, project: Project
) -> None:
    assert collect(entrypoint, project).code == 0
    (marker,) = static(project).glob(".collected-*-compressed")
    assert "up to date" in collect(entrypoint, project).err
    marker.rename(marker.with_name(marker.name.removesuffix("-compressed")))
    assert "collected and precompressed" in collect(entrypoint, project).err
    assert list(static(project).glob(".collected-*")) == [marker]


def test_the_record_of_a_collected_folder_cannot_be_served(entrypoint: Command, project: Project) -> None:
    assert collect(entrypoint, project).code == 0
    assert names(project) == {"shelf/book.css"}


def test_another_container_that_collects_is_waited_for_until_the_deadline(
    entrypoint: Command, project: Project
) -> None:
    static(project).mkdir()
    with (static(project) / ".collected.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = collect(entrypoint, project, ENTRYPOINT_WAIT_TIMEOUT="300ms")
    assert (done.code, done.err.splitlines()[-1]) == (
        75,
        (
            f"[entrypoint] cannot collect static files into {static(project)}: "
            "another container has been collecting into it for 0.3 s"
        ),
    )


def test_an_unchanged_file_keeps_its_time_and_one_that_is_gone_stays_for_old_pages(
    entrypoint: Command, project: Project
) -> None:
    project.write("shelf/static/shelf/old.css", "p {}\n")
    assert collect(entrypoint, project).code == 0
    os.utime(static(project) / "shelf/book.css", (1, 1))
    (project.root / "shelf/static/shelf/old.css").unlink()
    assert "1 static file collected" in collect(entrypoint, project).err
    assert (static(project) / "shelf/book.css").stat().st_mtime == 1
    assert (static(project) / "shelf/old.css").is_file()


def test_a_compressed_file_that_is_older_than_its_text_is_taken_away(entrypoint: Command, project: Project) -> None:
    project.write("shelf/static/shelf/picture.png", TEXT)
    assert collect(entrypoint, project).code == 0
    stale = static(project) / "shelf/picture.png.gz"
    stale.write_bytes(b"of another text")
    os.utime(stale, (1, 1))
    assert collect(entrypoint, project, ENTRYPOINT_COLLECTSTATIC="on").code == 0
    assert not stale.exists()


def test_other_settings_of_the_storage_are_a_reason_to_collect(entrypoint: Command, project: Project) -> None:
    assert collect(entrypoint, project).code == 0
    project.add_setting(MANIFEST)
    assert "1 static file collected" in collect(entrypoint, project).err
    hashed = json.loads((static(project) / "staticfiles.json").read_text(encoding="utf-8"))["paths"]["shelf/book.css"]
    assert (static(project) / hashed).is_file()
    assert "1 static file up to date" in collect(entrypoint, project).err


def test_an_object_among_the_settings_of_the_storage_is_no_reason(entrypoint: Command, project: Project) -> None:
    project.add_setting(
        """
        from django.core.files.storage import FileSystemStorage
        STORAGES = {"staticfiles": {
            "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
            "OPTIONS": {"manifest_storage": FileSystemStorage(location=BASE_DIR / "data")},
        }}
        """
    )
    assert collect(entrypoint, project).code == 0
    assert (project.root / "data/staticfiles.json").is_file()
    assert "1 static file up to date" in collect(entrypoint, project).err


def test_a_storage_that_takes_no_other_place_is_left_to_django(entrypoint: Command, project: Project) -> None:
    project.write(
        "site_/storage.py",
        """
        from django.conf import settings
        from django.contrib.staticfiles.storage import StaticFilesStorage


        class Own(StaticFilesStorage):
            def __init__(self):
                super().__init__(location=settings.STATIC_ROOT)
        """,
    )
    project.add_setting('STORAGES = {"staticfiles": {"BACKEND": "site_.storage.Own"}}\n')
    assert collect(entrypoint, project).code == 0
    assert names(project) == {"shelf/book.css"}


def test_a_file_that_another_names_and_that_is_missing_is_one_line(entrypoint: Command, project: Project) -> None:
    project.add_setting(MANIFEST)
    change(project, "p { background: url(missing.png) }\n")
    done = collect(entrypoint, project)
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("[entrypoint] cannot collect static files: The file 'shelf/missing.png' could not be found")
    assert "Traceback" not in done.err
    assert names(project) == set()


def test_remains_of_a_killed_boot_are_removed(entrypoint: Command, project: Project) -> None:
    (static(project) / ".collecting/shelf").mkdir(parents=True)
    (static(project) / ".collecting/shelf/half.css").touch()
    assert collect(entrypoint, project).code == 0
    assert not (static(project) / ".collecting").exists()
    assert names(project) == {"shelf/book.css"}


def test_one_of_several_replicas_collects(entrypoint: Command, project: Project) -> None:
    running = [entrypoint.start(project.root, *ONLY) for _ in range(3)]
    assert [each.process.wait(PATIENCE) for each in running] == [0] * 3
    said = [each.err for each in running]
    assert sum("1 static file collected" in text for text in said) == 1
    assert sum("1 static file up to date" in text for text in said) == 2


def test_a_reader_never_finds_a_file_missing_or_half(entrypoint: Command, project: Project) -> None:
    change(project, "a" * 100_000)
    assert collect(entrypoint, project).code == 0
    wrong, reads, stop = [], [0], threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                text = (static(project) / "shelf/book.css").read_bytes()
            except FileNotFoundError:
                wrong.append("missing")
                continue
            reads[0] += 1
            if len(text) < 100_000 or len(set(text)) != 1:
                wrong.append(f"half: {len(text)}")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for size in range(100_001, 100_004):
            change(project, chr(size - 100_000 + ord("a")) * size)
            assert "1 static file collected" in collect(entrypoint, project).err
    finally:
        stop.set()
        reader.join()
    assert wrong == []
    assert reads[0] > 100


# ---- folders that cannot be written


def sealed(project: Project) -> None:
    """Let nobody but root write the static files; root's own runs are those of another user."""
    for path in (static(project), *static(project).rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.fixture
def read_only(entrypoint: Command, project: Project, ordinary_user: int | None) -> Command:
    """Give the command of a user who may read the collected files and not write them."""
    assert collect(entrypoint, project).code == 0
    sealed(project)
    return entrypoint.as_user(ordinary_user)


def refused(done: Done, project: Project) -> bool:
    said = "cannot use STATIC_ROOT: "
    hint = "; it lacks files of this image: collect them when you build the image"
    line = done.err.splitlines()[-1]
    return (
        done.code == 77
        and said in line
        and f" cannot write {static(project)}; in the Dockerfile: RUN install -d -o " in line
        and line.endswith(hint)
    )


def test_an_unwritable_folder_is_accepted_if_complete_and_reported_if_stale(
    read_only: Command, project: Project
) -> None:
    done = collect(read_only, project, ENTRYPOINT_USER="")
    assert (done.code, "1 static file up to date\n" in done.err) == (0, True)
    change(project, TEXT)
    assert refused(collect(read_only, project, ENTRYPOINT_USER=""), project)


def test_a_folder_that_djangos_own_command_collected_is_complete(
    entrypoint: Command, project: Project, ordinary_user: int | None
) -> None:
    project.add_setting(MANIFEST)
    django = [sys.executable, "-B", "manage.py", "collectstatic", "--noinput"]
    subprocess.run(django, cwd=project.root, env={"PATH": "/usr/bin:/bin"}, check=True, capture_output=True)
    sealed(project)
    command = entrypoint.as_user(ordinary_user)
    done = collect(command, project, ENTRYPOINT_USER="")
    assert (done.code, f", and {static(project)} is read-only\n" in done.err) == (0, True)
    change(project, TEXT)
    assert refused(collect(command, project, ENTRYPOINT_USER=""), project)


def test_a_volume_that_hides_newer_files_of_the_image_is_noticed(entrypoint: Command, project: Project) -> None:
    assert collect(entrypoint, project).code == 0
    volume = project.root / "data/volume"
    static(project).rename(volume)  # as the first image left it
    change(project, TEXT)
    assert collect(entrypoint, project).code == 0  # the build of the second
    done = collect(entrypoint, project, STATIC_ROOT=str(volume))
    assert "1 static file collected" in done.err
    assert (volume / "shelf/book.css").read_text(encoding="utf-8") == TEXT


def test_a_manifest_that_its_user_cannot_read_is_one_line(
    entrypoint: Command, project: Project, ordinary_user: int | None
) -> None:
    project.add_setting(MANIFEST)
    static(project).mkdir()
    (static(project) / "staticfiles.json").write_text("{}")
    (static(project) / "staticfiles.json").chmod(0)
    done = collect(entrypoint.as_user(ordinary_user), project, ENTRYPOINT_USER="")
    assert done.code == 77
    assert f"[entrypoint] cannot read {static(project)}/staticfiles.json: Permission denied\n" in done.err
    assert "Traceback" not in done.err


def test_a_fifo_in_place_of_a_lock_holds_nobody(entrypoint: Command, project: Project) -> None:
    static(project).mkdir()
    os.mkfifo(static(project) / ".collected.lock")
    done = collect(entrypoint, project)
    assert done.code in (0, 77)
    assert "Traceback" not in done.err
