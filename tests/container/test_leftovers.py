"""A run of the tests that is killed leaves nothing in the engine."""

from pathlib import Path

from docker_engine import docker
from leftovers import name_in_engine, sweep


def test_what_a_killed_run_made_is_removed(tmp_path: Path, base: str) -> None:
    run, pytests = tmp_path / name_in_engine(), tmp_path / "pytest"
    run.mkdir()
    (run / "engine").touch()
    docker("create", "-v", f"{run.name}-volume:/data", "--name", f"{run.name}-container", base)
    docker("network", "create", f"{run.name}-network")
    docker("tag", base, f"{run.name}-image")
    listings = [("ps", "-a"), ("network", "ls"), ("volume", "ls"), ("images",)]
    assert [run.name in docker(*words).stdout for words in listings] == [True] * 4

    sweep(run, pytests)

    assert [run.name in docker(*words).stdout for words in listings] == [False] * 4
    assert not run.exists()
