"""The health that Docker shows while a boot takes long."""

import json
from pathlib import Path

import pytest
from deadline import until
from docker_engine import Container, Engine, docker

SLOW = """
import time
from pathlib import Path
from django.db import migrations

def slow(apps, schema_editor):
    while not Path("/signals/go-on").exists():
        time.sleep(0.01)

class Migration(migrations.Migration):
    dependencies = [  # so that it is the last
        ("pages", "0001_initial"),
        ("sessions", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]
    operations = [migrations.RunPython(slow)]
"""


@pytest.mark.thorough
def test_a_long_migration_makes_no_container_unhealthy(engine: Engine, image: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "0002_slow.py").write_text(SLOW)
    options = (
        *("-v", f"{tmp_path}:/signals:ro"),
        *("-v", f"{tmp_path}/0002_slow.py:/srv/project/pages/migrations/0002_slow.py:ro"),
        *("--health-interval", "1s", "--health-retries", "1"),  # outside the start period one failure would be enough
        *("--health-timeout", "60s"),  # the machine may be busy
    )
    container = engine.run(image, {"SECRET_KEY": "of-the-tests-alone"}, options=options)
    until(lambda: "starting: migrating 20/21\n" in checks(container), "a check during the migration")
    assert container.state["Health"]["Status"] == "starting"
    (tmp_path / "go-on").touch()
    container.ready()
    until(lambda: "ready\n" in checks(container), "a check of the site")
    assert container.state["Health"]["Status"] == "healthy"
    docker("exec", container.name, "entrypoint", "ctl", "stop", "uwsgi")
    until(lambda: container.state["Health"]["Status"] == "unhealthy", "the first success to have ended the period")
    assert container.stop()[0] == 0


def checks(container: Container) -> list[str]:
    """Return what the last checks have printed."""
    form = "{{json .State.Health.Log}}"
    found = json.loads(docker("inspect", "-f", form, container.name).stdout)
    return [each["Output"] for each in found or []]
