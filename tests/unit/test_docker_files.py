"""The Dockerfiles agree with each other, and with the file that builds the variants."""

import re
from pathlib import Path

import pytest

from entrypoint.boot.settings.server_names import NAMES

ROOT = Path(__file__).resolve().parents[2]
BASE = (ROOT / "docker/Dockerfile").read_text()
EXAMPLE = (ROOT / "Dockerfile.example").read_text()
BAKE = (ROOT / "docker/bake.hcl").read_text()


@pytest.mark.parametrize("instruction", ["ENTRYPOINT", "HEALTHCHECK", "ARG PACKAGES"])
def test_the_example_runs_as_the_base_image_does(instruction: str) -> None:
    (line,) = re.findall(rf"^{instruction}.*$", BASE, re.MULTILINE)
    assert line in EXAMPLE.splitlines()


def test_each_argument_of_a_variant_is_one_of_the_dockerfile() -> None:
    (arguments,) = re.findall(r"args = \{(.*?)\}", BAKE, re.DOTALL)
    given = set(re.findall(r"^\s*([A-Z]+)\s*=", arguments, re.MULTILINE))
    assert given == set(re.findall(r"^ARG ([A-Z]+)", BASE, re.MULTILINE))


def test_each_server_that_can_serve_in_production_is_a_variant() -> None:
    assert set(re.findall(r'server = "(\w+)"', BAKE)) == {*NAMES} - {"runserver"}
