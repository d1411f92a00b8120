"""Faults that only a container has: a read-only root file system, and one volume in two places."""

from pathlib import Path

import pytest
from docker_engine import Engine

FOLDERS = {"/run alone": ("--tmpfs", "/run"), "nothing but /dev/shm": ()}


@pytest.mark.thorough
@pytest.mark.parametrize("where", FOLDERS)
def test_a_site_boots_without_a_folder_for_temporary_files(engine: Engine, image: str, where: str) -> None:
    settings = {"SECRET_KEY": "of-the-tests-alone-and-no-one-else", "ENTRYPOINT_PROGRAM_CLOCK": "sleep 1000"}
    container = engine.run(image, settings, options=("--read-only", *FOLDERS[where])).ready()
    assert container.status("/") == 200
    assert container.exec("entrypoint", "health").returncode == 0
    assert container.exec("entrypoint", "check").returncode == 0, container.logs
    assert container.exec("entrypoint", "python", "-c", "import tempfile; tempfile.TemporaryFile()").returncode == 0
    assert "CRIT" not in container.logs
    assert container.stop()[0] == 0


def test_a_volume_of_keys_that_is_mounted_as_uploads_too_is_refused(engine: Engine, image: str, tmp_path: Path) -> None:
    settings = {"ENTRYPOINT_DATA_DIR": "/keys", "NGINX_MEDIA_ROOT": "/uploads", "NGINX_MEDIA_URL": "/media/"}
    options = ("-v", f"{tmp_path}:/keys", "-v", f"{tmp_path}:/uploads")
    container = engine.run(image, settings, options=options)
    assert container.wait() == 78
    said = "cannot serve NGINX_MEDIA_ROOT=/uploads: it contains ENTRYPOINT_DATA_DIR=/keys; "
    assert said in container.logs
