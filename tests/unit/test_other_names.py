"""Names that look like a setting but are not: which of them are reported."""

from pathlib import Path

import pytest

from entrypoint.boot.settings.settings import Settings
from entrypoint.errors import Unusable

VALUES = {
    "DJANGO_ENV": "production",
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "FORWARDED_ALLOW_IPS": "::1",
    "NGINX_STATIC_ROOT": "/app/static",
    "NGINX_STATIC_URL": "/static",
    "SUPERUSER_EMAIL": "admin@example.com",
}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("WEB_CONCURENCY", "WEB_CONCURRENCY"),
        ("WEB_CONCURRECNY", "WEB_CONCURRENCY"),
        ("DJANGO_SETTING_MODULE", "DJANGO_SETTINGS_MODULE"),
        ("DJANGO_EVN", "DJANGO_ENV"),
        ("SUPERUSER_NAME", "SUPERUSER_USERNAME"),
        ("SUPERUSER_USERNMAE", "SUPERUSER_USERNAME"),
        ("SUPERUSER_PASS", "SUPERUSER_PASSWORD"),
        ("SUPERUSER_MAIL", "SUPERUSER_EMAIL"),
        ("DJANGO_SUPERUSER_NAME", "DJANGO_SUPERUSER_USERNAME"),
        ("FORWARDED_ALLOWED_IPS", "FORWARDED_ALLOW_IPS"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("SECRET_KY", "SECRET_KEY"),
        ("SECERT_KEY", "SECRET_KEY"),
        ("LISTEN_PORT", "PORT"),
        ("ENTRYPOINT_PORT", "PORT"),
        ("NGINX_PORT", "PORT"),
        ("STATIC_PATH", "NGINX_STATIC_ROOT"),
        ("STATIC_URL", "NGINX_STATIC_URL"),
    ],
)
def test_a_misspelt_or_foreign_name_is_a_warning_with_the_right_one(name: str, meant: str) -> None:
    assert Settings.read({name: "8080"}).warnings == (f"{name} is not a known name; did you mean {meant}?",)
    both = {name: "8080", meant: VALUES.get(meant, "8080"), "ENTRYPOINT_SUPERUSER": "off"}
    assert Settings.read(both).warnings == ()


@pytest.mark.parametrize(
    "name",
    [
        *("DATABASE_URL", "DATABASE_USER", "DATABASE_URLS", "DATABASE_URL_2", "REPLICA_DATABASE_URL", "DATABASE_SSL"),
        *("SECRET_KEY", "SECRET_KEYS", "SECRET_KEY_OLD", "DJANGO_SECRET_KEY", "AWS_SECRET_KEY", "SECRET", "SECURE_KEY"),
        *("DJANGO_DEV", "DJANGO_SETTINGS", "DJANGO_DEBUG", "DJANGO_ENVIRONMENT"),
        *("SUPERUSER_SURNAME", "SUPERUSER_FIRST_NAME", "SUPERUSER_API_TOKEN", "SUPERUSER_PHONE"),
        *("PORTS", "HOST", "POST", "SPORT", "WEB_PORT", "WEB_HOST", "HTTP_PORT", "ALLOWED_HOSTS", "MEDIA_URL"),
        *("UWSGI_PROCESSES", "GUNICORN_CMD_ARGS", "CELERY_CONCURRENCY", "FORWARDED_FOR", "STATIC_ROOT"),
    ],
)
def test_a_name_of_the_project_is_no_false_alarm(name: str) -> None:
    assert Settings.read({name: "1"}).warnings == ()


def test_a_port_that_kubernetes_injects_is_no_mistake() -> None:
    assert Settings.read({"NGINX_PORT": "tcp://10.0.0.11:80"}).warnings == ()


def test_a_django_project_reads_the_url_of_its_static_files_itself(tmp_path: Path) -> None:
    (tmp_path / "manage.py").touch()
    environ = {"ENTRYPOINT_APP_DIR": str(tmp_path), "STATIC_URL": "/static"}
    assert Settings.read(environ).warnings == ()
    assert len(Settings.read({**environ, "STATIC_PATH": "/app/static"}).warnings) == 2


def test_the_index_of_another_image_is_reported_with_its_place() -> None:
    assert Settings.read({"STATIC_INDEX": "0"}).warnings == ()
    (told,) = Settings.read({"STATIC_INDEX": "1"}).warnings
    assert told == "STATIC_INDEX is not a known name; did you mean NGINX_STATIC_INDEX=index.html?"


def test_a_name_that_the_projects_file_sets_is_not_missing(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text("port = 8080\n")
    assert Settings.read({"ENTRYPOINT_APP_DIR": str(tmp_path), "LISTEN_PORT": "9000"}).warnings == ()


def test_an_error_is_reported_with_the_name_that_may_be_its_cause() -> None:
    with pytest.raises(Unusable) as caught:
        Settings.read({"WEB_CONCURRENCY": "many", "LISTEN_PORT": "8000"})
    assert caught.value.lines() == (
        "cannot use WEB_CONCURRENCY=many: it is not a whole number from 1 to 999999",
        "LISTEN_PORT is not a known name; did you mean PORT?",
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("NGINX_MAX_UPLOAD", "NGINX_CLIENT_MAX_BODY_SIZE"),
        ("NGINX_HTTP_PORT", "PORT"),
    ],
)
def test_another_images_name_for_nginx_is_reported_with_ours(name: str, meant: str) -> None:
    (told,) = Settings.read({name: "1"}).warnings
    assert told == f"{name} has no effect: there is no such setting; did you mean {meant}?"
