"""A container's limits and the sizes that follow from them."""

import os

import pytest
from docker_engine import output_of


def thorough(*cases: tuple[object, ...]) -> list[object]:
    return [pytest.param(*case, marks=pytest.mark.thorough) for case in cases]


@pytest.mark.parametrize(
    ("options", "line", "nginx"),
    [
        (("--cpus", "0.5", "--memory", "256m"), "0.5 CPU, 256 MiB: 1 worker as www-data", 1),
        (("--cpuset-cpus", "0,1"), "2 CPUs: 4 workers as www-data", 2),
        *thorough(
            (("--cpus", "0.5", "--memory", "1g"), "0.5 CPU, 1 GiB: 2 workers as www-data", 1),
            (("--cpus", "1.5"), "1.5 CPUs: 3 workers as www-data", 2),
            (("--cpuset-cpus", "1", "--memory", "512m"), "1 CPU, 512 MiB: 2 workers as www-data", 1),
        ),
    ],
)  # fmt: skip
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="it needs two CPUs")
def test_sizes_follow_the_limits_of_the_container(image: str, options: tuple[str, ...], line: str, nginx: int) -> None:
    done = output_of(*options, "-e", "SECRET_KEY=x", image, "--dry-run", streams=("stdout", "stderr"))
    assert f"{line}; set WEB_CONCURRENCY to change it\n" in done.stderr
    workers = line.partition(": ")[2].partition(" ")[0]
    assert f"\nprocesses = {workers}\n" in done.stdout
    assert f"\nworker_processes {nginx};" in done.stdout
    assert "uwsgi_pass application;" in done.stdout
    assert "exec /usr/local/bin/python3 -I /usr/local/bin/supervisord" in done.stderr
