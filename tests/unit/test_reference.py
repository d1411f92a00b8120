"""`entrypoint env`: no secret, every setting, and each format as its reader takes it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from entrypoint.boot.settings import reference
from entrypoint.boot.settings.settings import Settings, setting_specs
from entrypoint.errors import Unusable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PASSWORD = "open-sesame"
HOSTILE = 'O\'Hara "the" `id` $HOME \\n #1 %s é'
GIVEN = {
    "PORT": "127.0.0.1:8000",
    "SUPERUSER_USERNAME": HOSTILE,
    "DJANGO_SUPERUSER_EMAIL": "a'b@example.com",
    "SUPERUSER_PASSWORD": PASSWORD,
    "SUPERUSER_FIRST_NAME": PASSWORD,
    "ENTRYPOINT_SECRETS": "A\n B",
    "ENTRYPOINT_RUN_DIR": "/run/with space",
    "ENTRYPOINT_MIGRATE": "check",
}
SCHEMA = json.loads(reference.schema())


def as_a_shell_reads(text: str, path: Path) -> dict[str, str]:
    """Return the variables that a shell has after it read an environment file."""
    path.write_text(text, encoding="utf-8")
    read = ["env", "-i", "sh", "-c", 'set -a; . "$1"; exec env -0', "sh", str(path)]
    done = subprocess.run(read, capture_output=True, check=True)
    pairs = (entry.partition("=") for entry in done.stdout.decode().split("\0") if entry)
    return {name: value for name, _, value in pairs if name not in ("PWD", "OLDPWD", "SHLVL", "_")}


def typed(settings: Settings) -> dict[str, Any]:
    return {f.name: getattr(settings, f.name) for f in fields(Settings) if f.metadata}


def test_an_environment_file_can_be_fed_back(tmp_path: Path) -> None:
    before = Settings.read(GIVEN)
    written = as_a_shell_reads(reference.dotenv(before), tmp_path / "env")
    assert "SUPERUSER_PASSWORD" not in written
    assert typed(Settings.read({**written, "SUPERUSER_PASSWORD": PASSWORD})) == typed(before)


def test_an_environment_file_of_nothing_sets_nothing(tmp_path: Path) -> None:
    assert as_a_shell_reads(reference.dotenv(Settings.read({})), tmp_path / "env") == {}


def test_an_environment_file_names_the_file_of_a_secret(tmp_path: Path) -> None:
    secret = tmp_path / "the password"
    secret.write_text(PASSWORD, encoding="ascii")
    before = Settings.read({"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD_FILE": str(secret)})
    written = as_a_shell_reads(reference.dotenv(before), tmp_path / "env")
    assert written == {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD_FILE": str(secret)}
    assert typed(Settings.read(written)) == typed(before)


@pytest.mark.parametrize("show", [reference.as_json, reference.dotenv, lambda s: reference.table(s, None)])
def test_no_format_shows_a_secret(show: Any) -> None:
    text = show(Settings.read(GIVEN))
    assert PASSWORD not in text
    assert text.count("***") == 2


@pytest.mark.parametrize("width", [None, 40, 80, 200])
def test_the_table_names_every_setting_and_fits_its_terminal(width: int | None) -> None:
    lines = reference.table(Settings.read(GIVEN), width).splitlines()
    for spec in setting_specs():
        assert any(line.startswith(spec.name) for line in lines)
    assert max(map(len, lines)) <= (width or 1000)
    assert all(line.isprintable() for line in lines)


def test_json_names_the_source_of_each_value(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text('wait_timeout = "5s"\n', encoding="ascii")
    (tmp_path / "port").write_text("9000\n", encoding="ascii")
    environ = {"ENTRYPOINT_APP_DIR": str(tmp_path), "PORT_FILE": f"{tmp_path}/port", "ENTRYPOINT_MIGRATE": "off"}
    found = {row["name"]: row for row in json.loads(reference.as_json(Settings.read(environ)))}
    wanted = {
        "PORT": ("9000", f"{tmp_path}/port"),
        "ENTRYPOINT_WAIT_TIMEOUT": ("5s", "entrypoint.toml"),
        "ENTRYPOINT_MIGRATE": ("off", "environment"),
        "ENTRYPOINT_COLLECTSTATIC": ("auto", "default"),
        "WEB_CONCURRENCY": (None, "default"),
    }
    assert {name: (found[name]["value"], found[name]["origin"]) for name in wanted} == wanted
    assert list(found) == [spec.name for spec in setting_specs()]
    assert found["ENTRYPOINT_WAIT_TIMEOUT"]["default"] == "60s"


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        GIVEN,
        {"PATH": "/usr/bin", "NGINX_VERSION": "1.29", "DATABASE_URL": "x"},
        {"PORT": "", "ENTRYPOINT_MIGRATE": ""},
        {"ENTRYPOINT_PORT": "tcp://10.0.0.11:80", "ENTRYPOINT_SERVICE_HOST": "10.0.0.11"},
    ],
)
def test_the_schema_accepts_what_we_accept(environ: Mapping[str, str]) -> None:
    Settings.read(environ)
    Draft202012Validator(SCHEMA).validate(environ)


@pytest.mark.parametrize(
    "environ",
    [
        {"PORT": "http"},
        {"WEB_CONCURRENCY": "0"},
        {"ENTRYPOINT_MIGRATE": "always"},
        {"ENTRYPOINT_APP_DIR": "app"},
        {"ENTRYPOINT_MIGRAT": "off"},
        {"DJANGO_SUPERUSER_EMAIL": "someone"},
    ],
    ids=str,
)
def test_a_text_that_the_schema_refuses_is_refused(environ: Mapping[str, str]) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid(environ)
    with pytest.raises(Unusable):
        Settings.read(environ)


def test_the_schema_takes_a_file_for_each_setting() -> None:
    files = {f"{name}_FILE": "/run/x" for spec in setting_specs() for name in spec.names}
    Draft202012Validator(SCHEMA).validate(files)
