"""Whether the cache fits into its file system: the numbers, on the file systems of this machine."""

import os
from pathlib import Path, PurePosixPath

import pytest

from entrypoint.boot.effects.checks.space import check
from entrypoint.boot.plan.check_steps import CheckSpace
from entrypoint.errors import Unusable

IN_MEMORY = PurePosixPath("/dev/shm/entrypoint-not-made")
MIB = 1 << 20


def refused(step: CheckSpace) -> str:
    with pytest.raises(Unusable) as caught:
        check(step)
    (problem,) = caught.value.problems
    return problem


def test_a_cache_that_fits_is_no_problem(tmp_path: Path) -> None:
    check(
        CheckSpace(PurePosixPath(tmp_path / "none" / "yet"), MIB, "1m", MIB)
    )  # not in memory, so its limit does not count
    check(CheckSpace(IN_MEMORY, MIB, "1m", None))


def test_a_cache_larger_than_the_tmpfs_is_reported_with_the_remedy() -> None:
    found = os.statvfs("/dev/shm")
    room = found.f_blocks * found.f_frsize // MIB
    assert refused(CheckSpace(IN_MEMORY, room * MIB, f"{room}m", None)) == (
        f"cannot use NGINX_CACHE={room}m: with the other files of nginx it needs {room + 16} MiB, and the file system "
        f"of {IN_MEMORY} has {room} MiB; lower it, or mount a larger one: --tmpfs {IN_MEMORY}:size={room + 16}m"
    )


def test_a_cache_in_memory_counts_as_memory() -> None:
    assert refused(CheckSpace(IN_MEMORY, 4 * MIB, "4096k", 19 * MIB)) == (
        "cannot use NGINX_CACHE=4096k: with the other files of nginx it needs 20 MiB, and /dev/shm/entrypoint-not-made "
        "is in memory, of which the container may use 19 MiB; lower it, or raise the memory limit"
    )
