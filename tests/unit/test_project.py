"""The project's file: what it sets, and which source wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.types.addresses import Listen
from entrypoint.boot.settings.types.endpoints import endpoints
from entrypoint.boot.settings.types.values import shown
from entrypoint.errors import Unusable

if TYPE_CHECKING:
    from pathlib import Path

FILES = [("pyproject.toml", "[tool.entrypoint]\n"), ("entrypoint.toml", "")]


def read(folder: Path, **environ: str) -> Settings:
    return Settings.read({"ENTRYPOINT_APP_DIR": str(folder), **environ})


def problems(folder: Path, **environ: str) -> tuple[str, ...]:
    with pytest.raises(Unusable) as caught:
        read(folder, **environ)
    return caught.value.problems


@pytest.fixture(params=FILES, ids=[name for name, _ in FILES])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, str]:
    """Give the name of a project's file, its path, and the heading of our keys in it."""
    name, head = request.param
    return name, tmp_path / name, head


def test_a_projects_file_sets_what_the_environment_does_not(written: tuple[str, Path, str]) -> None:
    name, path, head = written
    path.write_text(
        head + 'migrate = "off"\nwait_timeout = "30s"\nport = 8081\nnginx_client_max_body_size = "20m"\n'
        'django_settings_module = "site_.settings"\nweb_concurrency = 7\n'
    )
    settings = read(path.parent, WEB_CONCURRENCY="3")
    assert (settings.migrate, settings.wait_timeout, settings.listen) == ("off", 30.0, Listen(8081))
    assert (settings.client_max_body_size.anywhere, settings.settings_module) == (20 << 20, "site_.settings")
    assert settings.workers == 3
    assert settings.origins["ENTRYPOINT_MIGRATE"] == name
    assert settings.origins["WEB_CONCURRENCY"] == "environment"
    assert f"PORT=8081 ({name})" in settings.given()
    assert settings.environment == {"ENTRYPOINT_APP_DIR": str(path.parent), "WEB_CONCURRENCY": "3"}


def test_a_name_file_overrides_a_projects_file(written: tuple[str, Path, str]) -> None:
    _, path, head = written
    path.write_text(head + "port = 8081\n")
    secret = path.parent / "port"
    secret.write_text("9000\n")
    settings = read(path.parent, PORT_FILE=str(secret))
    assert (settings.listen, settings.origins["PORT"]) == (Listen(9000), str(secret))


def test_an_empty_variable_leaves_what_the_project_says(written: tuple[str, Path, str]) -> None:
    _, path, head = written
    path.write_text(head + 'port = 8081\nmigrate = ""\n')
    settings = read(path.parent, PORT="")
    assert (settings.listen, settings.migrate) == (Listen(8081), "auto")


def test_an_alias_in_the_environment_overrides_the_project(written: tuple[str, Path, str]) -> None:
    _, path, head = written
    path.write_text(head + 'superuser_email = "a@b.c"\n')
    assert read(path.parent, DJANGO_SUPERUSER_EMAIL="x@y.z").superuser_email == "x@y.z"


@pytest.mark.parametrize(("value", "wanted"), [("true", "on"), ("false", "off")])
def test_a_boolean_is_the_word_of_its_setting(tmp_path: Path, value: str, wanted: str) -> None:
    (tmp_path / "entrypoint.toml").write_text(f"collectstatic = {value}\n")
    assert read(tmp_path).collectstatic == wanted


def test_the_project_in_the_working_directory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "entrypoint.toml").write_text("port = 8081\n")
    monkeypatch.chdir(tmp_path)
    assert Settings.read({}).listen == Listen(8081)


def test_every_problem_of_every_source_is_reported_at_once(written: tuple[str, Path, str]) -> None:
    name, path, head = written
    path.write_text(
        head + 'migrat = "off"\nENTRYPOINT_MIGRATE = "off"\nport = 0\nwait_timeout = 1.5\nsecrets = ["A"]\n'
        'superuser_password = "open-sesame"\nprograms.worker.comand = "celery"\n'
    )
    told = problems(path.parent, WEB_CONCURRENCY="many")
    assert told == (
        f"cannot use migrat in {name}: there is no such setting; did you mean migrate?",
        f"cannot use ENTRYPOINT_MIGRATE in {name}: there is no such setting; did you mean migrate?",
        f"cannot use wait_timeout in {name}: it is not a string, an integer or a boolean",
        f"cannot use secrets in {name}: it is not a string, an integer or a boolean",
        f"cannot use superuser_password in {name}: secrets are not allowed there; set SUPERUSER_PASSWORD_FILE instead",
        (
            f"cannot use port=0 in {name}: a port is a number from 1 to 65535, "
            "optionally after an IP address and a colon"
        ),
        "cannot use WEB_CONCURRENCY=many: it is not a whole number from 1 to 999999",
        f"cannot use programs.worker.comand in {name}: there is no such key; did you mean command?",
        f"cannot use programs.worker in {name}: command is missing",
    )
    assert "sesame" not in str(told)


def test_an_endless_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text(f"port = 0x{'f' * 5000}\n")
    assert problems(tmp_path) == ("cannot use port in entrypoint.toml: it is too large for a TOML integer",)


def test_a_value_that_the_environment_overrides_need_not_be_right(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text("port = 0\n")
    assert read(tmp_path, PORT="8000").listen == Listen(8000)


def test_two_files_that_both_set_something_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text("port = 8081\n")
    (tmp_path / "pyproject.toml").write_text("[tool.entrypoint]\nport = 8082\n")
    assert problems(tmp_path) == ("cannot use entrypoint.toml: pyproject.toml has [tool.entrypoint] as well",)
    (tmp_path / "pyproject.toml").write_text("[tool.entrypoint]\n[tool.ruff]\nline-length = 99\n")
    assert read(tmp_path).listen == Listen(8081)


@pytest.mark.parametrize(
    "text", ["", "[tool.ruff]\n", "tool = 3\n", "[project]\nname = 'the-entrypoint'\n", "= broken"]
)
def test_a_pyproject_that_says_nothing_of_us_changes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert read(tmp_path).origins == {"ENTRYPOINT_APP_DIR": "environment"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[tool.entrypoint]\nport = \n", "Invalid value (at line 2, column 8)"),
        (b"[tool]\nentrypoint = 3\n", "tool.entrypoint is not a table"),
        (b"tool.entrypoint.port = " + b"[" * 5000, "it is nested too deeply"),
        (b"[tool.entrypoint]\n# caf\xe9\n", "it is not UTF-8 text"),
    ],
    ids=["no value", "no table", "endless", "no text"],
)
def test_a_file_that_cannot_be_read_is_reported_in_one_line_with_its_place(
    tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    assert problems(tmp_path) == (f"cannot read pyproject.toml in {shown(str(tmp_path))}: {why}",)


def test_a_folder_in_the_files_place_is_reported(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").mkdir()
    (told,) = problems(tmp_path)
    assert told.endswith(": Is a directory")


@pytest.mark.parametrize("folder", ["/nonexistent", "/" + "x" * 5000, "/dev/null"], ids=lambda name: name[:12])
def test_a_folder_that_does_not_exist_has_no_file(folder: str) -> None:
    assert Settings.read({"ENTRYPOINT_APP_DIR": folder}).origins == {"ENTRYPOINT_APP_DIR": "environment"}


@pytest.mark.parametrize(
    "urls",
    ["redis://cache:6379", "tcp://mail:25 postgres://name@db:5432/site", "unix:/run/it,file:/run/that", "amqp://queue"],
)
def test_urls_without_a_password_may_stand_there_and_are_shown(tmp_path: Path, urls: str) -> None:
    (tmp_path / "entrypoint.toml").write_text(f'wait_for = "{urls}"\n')
    settings = read(tmp_path)
    assert settings.wait_for == endpoints(urls)
    assert f"ENTRYPOINT_WAIT_FOR={urls} (entrypoint.toml)" in settings.given()


@pytest.mark.parametrize(
    "urls",
    [
        "redis://:sesame@cache",
        "tcp://mail:25 amqp://me:sesame@queue",
        "https://sesame@web/up",
        "http://web/up?key=sesame",
        "redis://:ses,ame@cache",
        "amqp://me:1/sesame@queue",
        "amqp://me:1#sesame@queue",
        "redis://:ses#ame@cache",
    ],
)
def test_a_url_with_a_password_is_refused_there_and_never_shown(tmp_path: Path, urls: str) -> None:
    (tmp_path / "entrypoint.toml").write_text(f'wait_for = "{urls}"\n')
    (told,) = problems(tmp_path)
    why = "a URL with a password or a query is not allowed there; set ENTRYPOINT_WAIT_FOR_FILE instead"
    assert told == f"cannot use wait_for in entrypoint.toml: {why}"
    assert "ENTRYPOINT_WAIT_FOR=***" in Settings.read({"ENTRYPOINT_WAIT_FOR": "redis://:sesame@cache"}).given()


def test_an_invalid_url_is_reported_without_its_text(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text('wait_for = "tcp://mail"\n')
    assert problems(tmp_path) == ("cannot use wait_for in entrypoint.toml: URL number 1 (tcp) has no port",)


# ---- values of variables


def test_a_setting_may_name_a_variable(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text('port = {env = "LISTEN_PORT", default = 8001}\n')
    environ = {"ENTRYPOINT_APP_DIR": str(tmp_path)}
    settings = Settings.read({**environ, "LISTEN_PORT": "8000"})
    assert settings.listen == Listen(8000)
    assert settings.warnings == ()  # the name is known now
    assert Settings.read(environ).listen == Listen(8001)
    assert Settings.read({**environ, "LISTEN_PORT": "8000", "PORT": "9000"}).listen == Listen(9000)


def test_a_variable_that_is_unset_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text('port = {env = "LISTEN_PORT"}\n')
    assert Settings.read({"ENTRYPOINT_APP_DIR": str(tmp_path)}).listen is None


@pytest.mark.parametrize("table", ["{}", "{env = 1}", '{env = ""}', '{env = "A", or = "B"}', '{default = "A"}'])
def test_a_table_that_names_no_variable_is_refused(tmp_path: Path, table: str) -> None:
    (tmp_path / "entrypoint.toml").write_text(f"port = {table}\n")
    assert problems(tmp_path) == ('cannot use port in entrypoint.toml: a table here has the form {env = "NAME"}',)


def test_a_secret_cannot_come_from_a_named_variable(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text('superuser_password = {env = "ADMIN_PASSWORD"}\n')
    environ = {"ENTRYPOINT_APP_DIR": str(tmp_path), "ADMIN_PASSWORD": "correct-horse"}
    with pytest.raises(Unusable) as caught:
        Settings.read(environ)
    (problem,) = caught.value.problems
    assert problem.startswith("cannot use superuser_password in entrypoint.toml: secrets are not allowed there")
    assert "correct-horse" not in problem
