"""The folder of prometheus_client's files: made and emptied at a boot, by the user who writes there."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from entrypoint.boot.effects.disk.folders import empty_metrics
from entrypoint.boot.plan.steps import EmptyMetrics
from entrypoint.boot.trust.accounts import look_up
from entrypoint.errors import NotAllowed

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command, Project

UID = 12345
AS_USER = look_up(str(UID)) if os.geteuid() == 0 else None


def step(place: Path, folder: str) -> EmptyMetrics:
    return EmptyMetrics(folder, "PROMETHEUS_MULTIPROC_DIR", PurePosixPath(place), AS_USER)


def test_the_folder_is_made_and_only_the_files_of_prometheus_client_are_removed(place: Path) -> None:
    place.chmod(0o777)
    empty_metrics(step(place, "-metrics/of site"))
    folder = place / "-metrics/of site"
    assert folder.stat().st_uid == (UID if AS_USER else os.geteuid())
    folder.chmod(0o777)
    removed = {"counter_17.db", "gauge_livesum_17.db", "histogram_17.db", "summary_17.db", "gauge_all_17-0.db"}
    kept = {"site.db", "counter_17.txt", "db.sqlite3"}
    for name in removed | kept:
        (folder / name).write_text("text")
    (place / "outside").write_text("text")
    (folder / "counter_18.db").symlink_to(place / "outside")
    empty_metrics(step(place, str(folder)))
    assert {path.name for path in folder.iterdir()} == kept
    assert (place / "outside").read_text() == "text"


@pytest.mark.skipif(AS_USER is None, reason="only root boots for another user")
def test_root_does_not_use_its_rights_for_the_folder(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    (closed / "counter_1.db").write_text("text")
    (place / "link").symlink_to(closed)
    for folder in ("closed", "link", "closed/inner"):
        with pytest.raises(NotAllowed, match=f"PROMETHEUS_MULTIPROC_DIR={folder}: Permission denied; choose a folder"):
            empty_metrics(step(place, folder))
    assert (closed / "counter_1.db").exists()


def test_the_agent_needs_no_folder_and_a_dry_run_makes_none(entrypoint: Command, project: Project) -> None:
    project.add_setting('from prometheus_client import Counter\nCounter("settings", "Loads.").inc()\n')
    folder = project.root / "data/metrics"
    done = entrypoint.run(project.root, "--dry-run", PROMETHEUS_MULTIPROC_DIR=str(folder))
    assert done.code == 0, done.err
    assert f"empty {folder} (PROMETHEUS_MULTIPROC_DIR)" in done.err
    assert not folder.exists()
