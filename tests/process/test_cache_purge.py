"""`entrypoint cache purge` without a cache, and by users who may not call it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from reachable import NOBODY

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command


def test_without_a_cache_there_is_nothing_to_purge(entrypoint: Command, plain: Path) -> None:
    done = entrypoint.run(plain, "cache", "purge")
    why = f"cannot purge the cache: there is no {entrypoint.place}/run/nginx/cache; set NGINX_CACHE"
    assert (done.code, done.err) == (78, f"[entrypoint] {why}\n")


def test_a_path_begins_with_a_slash(entrypoint: Command, plain: Path) -> None:
    done = entrypoint.run(plain, "cache", "purge", "news")
    assert (done.code, "PATH begins with /, for example /news/ or '/news/*'." in done.err) == (2, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder to another user")
def test_another_user_may_not_purge_it(entrypoint: Command, plain: Path) -> None:
    cache = entrypoint.place / "run" / "nginx" / "cache"
    cache.mkdir(parents=True)
    cache.chmod(0o700)
    done = entrypoint.as_user(NOBODY).run(plain, "cache", "purge", ENTRYPOINT_USER="")
    why = f"cannot purge {cache}: Permission denied; run the command as root, or as the application's user"
    assert (done.code, done.err) == (77, f"[entrypoint] {why}\n")


def test_a_folder_that_is_a_link_is_not_followed(entrypoint: Command, plain: Path, place: Path) -> None:
    kept = place / "kept"
    kept.mkdir()
    (kept / ("0" * 32)).write_bytes(b"\nKEY: http://example.com/\n")
    (entrypoint.place / "run" / "nginx").mkdir(parents=True)
    (entrypoint.place / "run" / "nginx" / "cache").symlink_to(kept)
    done = entrypoint.run(plain, "cache", "purge")
    assert (done.code, done.err) == (0, "[entrypoint] removed 0 responses from the cache\n")
    assert len(list(kept.iterdir())) == 1


def test_folders_without_end_are_left(entrypoint: Command, plain: Path) -> None:
    cache = entrypoint.place / "run" / "nginx" / "cache"
    (cache / "0" / "00" / "000").mkdir(parents=True)
    for folder in (cache / "0" / "00", cache / "0" / "00" / "000"):
        (folder / ("0" * 32)).write_bytes(b"\nKEY: http://example.com/\n")
    done = entrypoint.run(plain, "cache", "purge")
    assert (done.code, done.err) == (0, "[entrypoint] removed 1 response from the cache\n")
