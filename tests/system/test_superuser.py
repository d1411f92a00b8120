"""The superuser on a database that many containers share."""

import subprocess
from pathlib import Path

import pytest
from databases import on_postgres
from deadline import PATIENCE
from postgres_server import Postgres
from site_under_test import COMMAND, NewSite, quick_hashing


@pytest.mark.thorough  # of the three replicas in test_fleet.py one creates it, too
def test_of_several_containers_at_once_one_creates_the_superuser(
    new_site: NewSite, postgres_server: Postgres, tmp_path: Path
) -> None:
    database = on_postgres(postgres_server)
    admin = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD": "correct-battery"}
    site = new_site(**database.environ, **admin, **quick_hashing(tmp_path))
    assert site.command("prepare", "--only", "wait", "--only", "migrate").returncode == 0
    running = [
        subprocess.Popen(
            [COMMAND, "prepare", "--only", "superuser"],
            cwd=site.project,
            env=site.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = [process.communicate(timeout=PATIENCE)[1] for process in running]
    assert [process.returncode for process in running] == [0] * 3, said
    assert sum("user admin created" in text for text in said) == 1
    assert sum("user admin exists" in text for text in said) == 2
    assert database.ask("select username, is_superuser from members_user") == [("admin", True)]
