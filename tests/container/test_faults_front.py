"""A root file system that is read-only: the fewest folders that can be written, and the site is ready."""

import pytest
from docker_engine import Engine

FOLDERS = {"/run alone": ("--tmpfs", "/run"), "nothing but /dev/shm": ()}


@pytest.mark.parametrize("folders", FOLDERS.values(), ids=FOLDERS)
def test_a_site_boots_without_a_folder_for_temporary_files(
    engine: Engine, image: str, folders: tuple[str, ...]
) -> None:
    settings = {"SECRET_KEY": "of-the-tests-alone", "ENTRYPOINT_PROGRAM_CLOCK": "sleep 1000"}
    container = engine.run(image, settings, options=("--read-only", *folders)).ready()
    assert container.status("/") == 200
    assert container.exec("entrypoint", "health").returncode == 0
    assert container.exec("entrypoint", "check").returncode == 0, container.logs
    assert container.exec("entrypoint", "python", "-c", "import tempfile; tempfile.TemporaryFile()").returncode == 0
    assert "CRIT" not in container.logs
    assert container.stop()[0] == 0
