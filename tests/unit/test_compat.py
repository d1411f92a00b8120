"""The variables and files of tiangolo/uwsgi-nginx and -flask: which settings follow from them."""

from pathlib import Path, PurePosixPath

import pytest

from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.sources import compat
from entrypoint.boot.settings.types.addresses import Listen
from entrypoint.errors import Unusable

DEFAULT = "tiangolo's default"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "main.py").touch()
    return tmp_path


def read(app: Path, **environ: str) -> Settings:
    return Settings.read({"ENTRYPOINT_COMPAT": "tiangolo", "ENTRYPOINT_APP_DIR": str(app), **environ})


def write_ini(app: Path, *lines: str) -> None:
    (app / "uwsgi.ini").write_text("\n".join(("[uwsgi]", *lines, "[other]", "module = no")) + "\n")


def test_the_variables_are_settings_and_no_warnings(app: Path) -> None:
    settings = read(
        app,
        LISTEN_PORT="8080",
        NGINX_MAX_UPLOAD="1m",
        NGINX_WORKER_PROCESSES="auto",
        NGINX_WORKER_CONNECTIONS="2048",
        NGINX_WORKER_OPEN_FILES="4096",
        STATIC_URL="/assets",
        STATIC_PATH="/srv/assets",
        STATIC_INDEX="1",
        UWSGI_CHEAPER="3",
        UWSGI_PROCESSES="5",
    )
    assert settings.listen == Listen(8080)
    assert settings.client_max_body_size.anywhere == 1 << 20
    assert (settings.nginx_workers, settings.worker_connections, settings.worker_open_files) == (None, 2048, 4096)
    assert (settings.static_url, settings.static_root) == ("/assets/", PurePosixPath("/srv/assets"))
    assert settings.static_index == "index.html"
    assert settings.app == "main:app"
    assert settings.environment["UWSGI_CHEAPER"] == "3"
    assert settings.environment["UWSGI_PROCESSES"] == "5"
    assert settings.warnings == ()
    assert settings.origins["PORT"] == "LISTEN_PORT"


def test_without_variables_the_defaults_are_those_of_the_image(app: Path) -> None:
    settings = read(app)
    assert settings.listen is None  # 80 as root, as there
    assert settings.client_max_body_size.anywhere == 0
    assert (settings.nginx_workers, settings.worker_connections, settings.worker_open_files) == (1, 1024, None)
    assert (settings.static_url, settings.static_root, settings.static_index) == (None, None, None)
    assert settings.environment["UWSGI_CHEAPER"] == "2"
    assert settings.environment["UWSGI_PROCESSES"] == "16"
    assert settings.environment["PYTHONPATH"] == str(app)
    assert settings.origins["NGINX_WORKER_PROCESSES"] == DEFAULT


def test_our_own_name_wins(app: Path) -> None:
    settings = read(
        app,
        PORT="9000",
        LISTEN_PORT="8080",
        NGINX_MAX_UPLOAD="1m",
        NGINX_CLIENT_MAX_BODY_SIZE="2m",
        ENTRYPOINT_APP="shop:app",
        WEB_CONCURRENCY="3",
    )
    assert settings.listen == Listen(9000)
    assert settings.client_max_body_size.anywhere == 2 << 20
    assert settings.app == "shop:app"
    assert "UWSGI_PROCESSES" not in settings.environment
    assert settings.warnings == ()


def test_a_variable_wins_over_the_projects_file_and_that_over_a_default(app: Path) -> None:
    (app / "entrypoint.toml").write_text("port = 9000\nnginx_worker_processes = 4\n")
    settings = read(app, LISTEN_PORT="8080")
    assert (settings.listen, settings.nginx_workers) == (Listen(8080), 4)


def test_a_mistake_is_reported_by_the_name_that_was_set(app: Path) -> None:
    with pytest.raises(Unusable, match="cannot use LISTEN_PORT=banana: a port is a number from 1 to 65535"):
        read(app, LISTEN_PORT="banana")


@pytest.mark.parametrize(
    ("lines", "module"),
    [
        (("module = site.web", "callable = app"), "site.web:app"),
        (("module=main:create()",), "main:create()"),
        (("; a comment", "wsgi = main", "#module = no"), "main:application"),
        (("wsgi-file = main.py", "callable = app"), "main:app"),
        (("wsgi-file = ./site/web.py",), "site.web:application"),
        (("chdir = src", "wsgi-file = main.py"), "main:application"),
        (("module = first", "module = last"), "last:application"),
        (("buffer-size = 65535",), "main:app"),
    ],
)
def test_uwsgi_ini_names_the_application(app: Path, lines: tuple[str, ...], module: str) -> None:
    write_ini(app, *lines)
    assert read(app).app == module


def test_the_file_of_uwsgi_may_be_absolute_and_lie_elsewhere(
    app: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ini = tmp_path_factory.mktemp("conf") / "own.ini"
    ini.write_text(f"[uwsgi]\nwsgi-file = {app}/main.py\ncallable = app\n")
    settings = read(app, UWSGI_INI=str(ini))
    assert (settings.app, settings.origins["ENTRYPOINT_APP"]) == ("main:app", "own.ini")


def test_an_application_that_cannot_be_derived_is_reported_with_its_line(app: Path) -> None:
    write_ini(app, "wsgi-file = /srv/other/main.py")
    with pytest.raises(Unusable) as caught:
        read(app)
    where = f"wsgi-file = /srv/other/main.py in {app}/uwsgi.ini"
    why = "it is not of the form package.module:callable; set ENTRYPOINT_APP"
    assert caught.value.lines() == (f"cannot use {where}: {why}",)
    assert read(app, ENTRYPOINT_APP="main:app").app == "main:app"


@pytest.mark.parametrize("line", ["chown-socket = nobody_here:www-data", "uid = nobody_here"])
def test_a_user_of_the_other_image_that_does_not_exist_here_is_reported(app: Path, line: str) -> None:
    write_ini(app, "module = main:app", line, "chmod-socket = 664")
    with pytest.raises(Unusable) as caught:
        read(app)
    why = "there is no user nobody_here; delete the line, entrypoint sets the owner itself"
    assert caught.value.lines() == (f"cannot use {line} in {app}/uwsgi.ini: {why}",)


@pytest.mark.parametrize(
    ("lines", "environ", "workers"),
    [
        (("processes = 1",), {}, (None, None)),  # a default for cheaper would be too large for it
        (("cheaper = 4",), {}, ("16", None)),
        ((), {"UWSGI_PROCESSES": "2"}, ("2", None)),
        ((), {"UWSGI_PROCESSES": "8"}, ("8", "2")),
        ((), {"UWSGI_CHEAPER": "4"}, ("16", "4")),
    ],
)
def test_uwsgi_can_always_start_with_the_default_workers(
    app: Path, lines: tuple[str, ...], environ: dict[str, str], workers: tuple[str | None, str | None]
) -> None:
    write_ini(app, *lines)
    found = read(app, **environ).environment
    assert (found.get("UWSGI_PROCESSES"), found.get("UWSGI_CHEAPER")) == workers


def test_a_folder_named_static_is_served_as_in_the_image_with_flask(app: Path) -> None:
    (app / "static").mkdir()
    settings = read(app, STATIC_INDEX="0")
    assert (settings.static_url, settings.static_root) == ("/static/", PurePosixPath(app / "static"))
    assert settings.static_index is None


def test_a_django_project_reads_the_url_of_its_static_files_itself(app: Path) -> None:
    (app / "manage.py").touch()
    (app / "static").mkdir()
    settings = read(app, STATIC_URL="/static")
    assert (settings.static_url, settings.static_root, settings.app) == (None, None, None)
    assert settings.warnings == ()
    assert read(app, STATIC_PATH="/srv/static").static_root == PurePosixPath("/srv/static")


def test_the_application_lies_in_app_unless_a_setting_names_another_folder() -> None:
    settings = Settings.read({"ENTRYPOINT_COMPAT": "tiangolo"})
    assert (settings.app_dir, settings.origins["ENTRYPOINT_APP_DIR"]) == (PurePosixPath("/app"), DEFAULT)


def test_a_procfile_of_another_folder_names_no_programs(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (app / "Procfile").write_text("worker: celery\n")
    monkeypatch.chdir(app)
    assert not Settings.read({"ENTRYPOINT_COMPAT": "tiangolo"}).programs


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_without_the_mode_the_names_of_the_image_mean_nothing(app: Path, mode: str) -> None:
    settings = read(app, ENTRYPOINT_COMPAT=mode, LISTEN_PORT="8080")
    assert not settings.tiangolo
    assert settings.listen is None
    assert settings.warnings == ("LISTEN_PORT is not a known name; did you mean PORT?",)


@pytest.mark.parametrize("name", ["main.py", "uwsgi.ini"])
def test_an_application_for_that_image_is_known_by_its_files(tmp_path: Path, name: str) -> None:
    assert not compat.has_application(tmp_path)
    (tmp_path / name).touch()
    assert compat.has_application(tmp_path)
