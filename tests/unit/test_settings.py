"""From the environment to Settings: all problems at once, NAME_FILE, unknown names, and no secret shown."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from entrypoint.boot.settings.settings import Settings, setting_specs
from entrypoint.boot.settings.spec import SettingSpec
from entrypoint.boot.settings.types import values
from entrypoint.boot.settings.types.addresses import Listen
from entrypoint.boot.settings.types.values import shown
from entrypoint.errors import Unusable
from entrypoint.secret import Secret

ALL = list(setting_specs())
KUBERNETES = {
    "ENTRYPOINT_SERVICE_HOST": "10.0.0.11",
    "ENTRYPOINT_SERVICE_PORT": "80",
    "ENTRYPOINT_SERVICE_PORT_HTTP": "80",
    "ENTRYPOINT_PORT": "tcp://10.0.0.11:80",
    "ENTRYPOINT_PORT_80_TCP": "tcp://10.0.0.11:80",
    "ENTRYPOINT_PORT_80_TCP_PROTO": "tcp",
    "ENTRYPOINT_PORT_80_TCP_PORT": "80",
    "ENTRYPOINT_PORT_80_TCP_ADDR": "10.0.0.11",
    "NGINX_SERVICE_HOST": "10.0.0.12",
    "NGINX_PORT": "tcp://10.0.0.12:80",
    "NGINX_PORT_80_TCP_ADDR": "10.0.0.12",
}


def problems(environ: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(Unusable) as caught:
        Settings.read(environ)
    assert caught.value.exit_code == 78
    assert caught.value.lines() == caught.value.problems
    return caught.value.problems


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.read({})
    assert settings == Settings()
    assert (settings.migrate, settings.collectstatic, settings.superuser) == ("auto", "auto", "create")
    assert (settings.wait_timeout, settings.request_timeout, settings.stop_timeout) == (60.0, 60.0, 8.0)
    assert settings.client_max_body_size.anywhere == 10 << 20
    assert settings.origins == {}
    assert settings.warnings == ()


def test_root_listens_on_80_and_everyone_else_on_8080() -> None:
    assert Settings.read({}).listen_on(root=True) == Listen(80)
    assert Settings.read({}).listen_on(root=False) == Listen(8080)
    assert Settings.read({"PORT": "9000"}).listen_on(root=True) == Listen(9000)


def test_with_a_certificate_the_ports_are_those_of_tls() -> None:
    tls = {"NGINX_TLS_CERTIFICATE": "/pem", "NGINX_TLS_KEY": "/key"}
    settings = Settings.read(tls)
    assert (settings.listen_on(root=True), settings.redirect_on(root=True)) == (Listen(443), Listen(80))
    assert (settings.listen_on(root=False), settings.redirect_on(root=False)) == (Listen(8443), Listen(8080))
    settings = Settings.read({**tls, "PORT": "9443"})
    assert (settings.listen_on(root=True), settings.redirect_on(root=True)) == (Listen(9443), None)


def test_every_problem_is_reported_at_once() -> None:
    environ = {
        "PORT": "70000",
        "WEB_CONCURRENCY": "many",
        "ENTRYPOINT_WAIT_TIMEOUT": "soon",
        "ENTRYPOINT_APP_DIR": "app",
        "ENTRYPOINT_MIGRATES": "auto",
        "NGINX_TLS_KEY": "/key",
    }
    assert problems(environ) == (
        "cannot use PORT=70000: a port is a number from 1 to 65535, optionally after an IP address and a colon",
        "cannot use WEB_CONCURRENCY=many: it is not a whole number from 1 to 999999",
        "cannot use ENTRYPOINT_APP_DIR=app: a path must begin with /",
        "cannot use ENTRYPOINT_WAIT_TIMEOUT=soon: a duration is a number with ms, s, m or h, such as 30s",
        "cannot use NGINX_TLS_KEY: NGINX_TLS_CERTIFICATE is not set",
        "cannot use ENTRYPOINT_MIGRATES: there is no such setting; did you mean ENTRYPOINT_MIGRATE?",
    )


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)
def test_a_setting_that_is_empty_is_not_set(spec: SettingSpec) -> None:
    environ = dict.fromkeys((spec.name, *spec.aliases, f"{spec.name}_FILE"), "")
    assert Settings.read(environ).origins == {}


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)
def test_a_setting_has_a_name_and_a_meaning_of_its_own(spec: SettingSpec) -> None:
    assert [other for other in ALL if spec.name in other.names] == [spec]
    assert [other for other in ALL if spec.key == other.key] == [spec]
    assert spec.meaning
    assert spec.name.startswith(("ENTRYPOINT_", "NGINX_", "SUPERUSER_")) or spec.name in {
        "DJANGO_ENV",
        "DJANGO_SETTINGS_MODULE",
        "FORWARDED_ALLOW_IPS",
        "PGID",
        "PORT",
        "PUID",
        "WEB_CONCURRENCY",
    }


# ---- NAME_FILE


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_a_files_text_counts_without_its_line_ending(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "port"
    file.write_bytes(b"9000" + ending.encode())
    settings = Settings.read({"PORT_FILE": str(file)})
    assert settings.listen == Listen(9000)
    assert settings.origins == {"PORT": str(file)}
    assert settings.environment == {"PORT": "9000"}


def test_a_secrets_inner_lines_and_spaces_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("  two\nlines \n", encoding="ascii")
    settings = Settings.read({"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD_FILE": str(file)})
    assert settings.superuser_password == Secret("  two\nlines ")


def test_a_name_and_its_file_exclude_each_other(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("9000", encoding="ascii")
    both = {"PORT": "8000", "PORT_FILE": str(file)}
    assert problems(both) == ("cannot use PORT: PORT_FILE is also set; unset one of them",)


def test_a_file_counts_where_the_name_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("9000", encoding="ascii")
    assert Settings.read({"PORT": "", "PORT_FILE": str(file)}).listen == Listen(9000)


def test_a_file_that_is_missing_is_reported(tmp_path: Path) -> None:
    path = shown(f"{tmp_path}/none")
    assert problems({"PORT_FILE": f"{tmp_path}/none"}) == (
        f"cannot read PORT_FILE={path}: No such file or directory; mount the file, or unset PORT_FILE",
    )


def test_a_folder_in_a_files_place_is_reported() -> None:
    assert problems({"PORT_FILE": "/"}) == ("cannot read PORT_FILE=/: Is a directory",)


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\n"], ids=repr)
def test_a_file_that_is_empty_is_reported(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "p"
    file.write_bytes(content)
    assert problems({"PORT_FILE": str(file)}) == (f"cannot use PORT_FILE={shown(str(file))}: the file is empty",)


def test_a_file_that_is_no_text_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_bytes(b"\xff\xfe")
    assert problems({"PORT_FILE": str(file)}) == (f"cannot read PORT_FILE={shown(str(file))}: it is not UTF-8 text",)


def test_a_file_with_a_nul_is_refused_for_no_environment_can_carry_it(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"before\0after")
    told = problems({"ENTRYPOINT_SECRETS": "SECRET_KEY", "SECRET_KEY_FILE": str(file)})
    assert told == (f"cannot use SECRET_KEY_FILE={shown(str(file))}: it contains a NUL",)


def test_a_superusers_password_that_cannot_be_read_is_one_problem_under_either_name() -> None:
    environ = {"SUPERUSER_USERNAME": "admin"}
    for name in ("SUPERUSER_PASSWORD_FILE", "DJANGO_SUPERUSER_PASSWORD_FILE"):
        assert problems({**environ, name: "/nonexistent"}) == (
            f"cannot read {name}=/nonexistent: No such file or directory; mount the file, or unset {name}",
        )


def test_other_names_files_are_read_where_they_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("s3cret\n", encoding="ascii")
    environ = {"SECRET_KEY_FILE": str(file), "OTHER_FILE": str(file), "ENTRYPOINT_SECRETS": "SECRET_KEY"}
    assert Settings.read(environ).environment == {
        "SECRET_KEY": "s3cret",
        "OTHER_FILE": str(file),
        "ENTRYPOINT_SECRETS": "SECRET_KEY",
    }


def test_other_names_files_are_read_where_they_lie_under_run_secrets() -> None:
    path = "/run/secrets/there-is-no-such-secret"
    assert problems({"API_TOKEN_FILE": path}) == (
        f"cannot read API_TOKEN_FILE={path}: No such file or directory; mount the file, or unset API_TOKEN_FILE",
    )


def test_a_file_variable_of_the_application_itself_is_left_alone() -> None:
    environ = {"LOG_FILE": "/var/log/app.log", "_FILE": "/run/secrets/x"}
    assert Settings.read(environ).environment == environ


def test_the_environment_that_was_given_is_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_text("9000", encoding="ascii")
    environ = {"PORT_FILE": str(file)}
    Settings.read(environ)
    assert environ == {"PORT_FILE": str(file)}


# ---- two names for one thing


def test_an_alias_means_the_same() -> None:
    settings = Settings.read({"DJANGO_SUPERUSER_USERNAME": "admin", "DJANGO_SUPERUSER_PASSWORD": "pw"})
    assert (settings.superuser_username, settings.superuser_password) == ("admin", Secret("pw"))


def test_an_alias_may_say_the_same_again() -> None:
    settings = Settings.read({"SUPERUSER_EMAIL": "a@b.c", "DJANGO_SUPERUSER_EMAIL": "a@b.c"})
    assert settings.superuser_email == "a@b.c"


DIFFERENT = "they mean the same setting and have different values; unset one of them"


def test_an_alias_that_differs_is_refused() -> None:
    (told,) = problems({"SUPERUSER_EMAIL": "a@b.c", "DJANGO_SUPERUSER_EMAIL": "x@y.z"})
    assert told == f"cannot use SUPERUSER_EMAIL and DJANGO_SUPERUSER_EMAIL: {DIFFERENT}"


def test_a_password_that_differs_from_its_alias_is_refused_and_not_shown() -> None:
    (told,) = problems({"SUPERUSER_PASSWORD": "sesame-1", "DJANGO_SUPERUSER_PASSWORD": "sesame-2"})
    assert told == f"cannot use SUPERUSER_PASSWORD and DJANGO_SUPERUSER_PASSWORD: {DIFFERENT}"


def test_further_fields_of_the_superuser_are_kept_as_secrets() -> None:
    settings = Settings.read({"SUPERUSER_FIRST_NAME": "Ada", "DJANGO_SUPERUSER_TOKEN": "t", "SUPERUSER_": "x"})
    assert settings.superuser_fields == {"first_name": Secret("Ada"), "token": Secret("t")}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ENTRYPOINT_MIGRATION", "; did you mean ENTRYPOINT_MIGRATE?"),
        ("ENTRYPOINT_COLLECT_STATIC", "; did you mean ENTRYPOINT_COLLECTSTATIC?"),
        ("ENTRYPOINT_STOP_TIMEOUTS", "; did you mean ENTRYPOINT_STOP_TIMEOUT?"),
        ("ENTRYPOINT_" + "Z" * 40, ""),
    ],
)
def test_an_unknown_name_is_reported_with_the_nearest_known(name: str, hint: str) -> None:
    assert problems({name: "x"}) == (f"cannot use {name}: there is no such setting{hint}",)


def test_variables_that_kubernetes_injects_for_a_service_of_that_name_are_ignored() -> None:
    settings = Settings.read(KUBERNETES)
    assert (settings.environment, settings.warnings) == (KUBERNETES, ())


def test_an_unknown_name_of_nginx_is_a_warning_with_the_nearest_known() -> None:
    settings = Settings.read(
        {"NGINX_CLIENT_MAX_BODY": "1m", "NGINX_" + "Q" * 40: "x", "NGINX_CLIENT_MAX_BODY_SIZE": "1m"}
    )
    assert settings.warnings == (
        "NGINX_CLIENT_MAX_BODY has no effect: there is no such setting; did you mean NGINX_CLIENT_MAX_BODY_SIZE?",
        "NGINX_" + "Q" * 40 + " has no effect: there is no such setting",
    )


def test_names_of_the_application_are_no_concern_of_ours() -> None:
    environ = {"DATABASE_URL": "x", "DJANGO_DEBUG": "1", "PORTS": "x", "": "empty"}
    assert Settings.read(environ).environment == environ


# ---- hostile texts

LONG = "x" * 100_000
HOSTILE = ["a\nb", "a\x1b[2Jb", "a\x7fb", "a\x00b", "caf\udce9", "/" + LONG + "\n", "\u202e", "\x85"]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
@pytest.mark.parametrize(
    "spec",
    [spec for spec in ALL if spec.type not in (values.text, values.secret, values.password, values.names)],
    ids=lambda spec: spec.name,
)
def test_a_hostile_text_is_refused_in_one_short_printable_line(spec: SettingSpec, text: str) -> None:
    (told,) = problems({spec.name: text})
    assert told.startswith(f"cannot use {spec.name}{':' if spec.secret else '='}")
    assert told.isprintable()
    assert len(told) < 300


@pytest.mark.parametrize("text", HOSTILE[:5], ids=ascii)
def test_a_superusers_name_is_a_printable_text(text: str) -> None:
    told = problems({"SUPERUSER_USERNAME": text, "SUPERUSER_PASSWORD": "x"})
    assert [line.isprintable() for line in told] == [True]


def test_a_hostile_name_is_reported_in_one_printable_line() -> None:
    (told,) = problems({"ENTRYPOINT_\x1b[2J\udcff\n": "x"})
    assert told.isprintable()


# ---- secrets


def test_no_message_holds_a_secret() -> None:
    told = problems({"SUPERUSER_PASSWORD": "sesame\0", "PORT": "x"})
    assert told[1:] == ("cannot use SUPERUSER_PASSWORD: it is empty or contains a NUL",)
    assert "sesame" not in str(told)


def test_settings_do_not_show_their_secrets() -> None:
    settings = Settings.read({"SUPERUSER_USERNAME": "a", "SUPERUSER_PASSWORD": "sesame", "SUPERUSER_PIN": "sesame"})
    assert "sesame" not in repr(settings)
    assert "sesame" not in str(settings)


def test_the_settings_that_are_set_are_shown_without_secrets(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("8080\n")
    settings = Settings.read(
        {
            "PORT_FILE": str(file),
            "SUPERUSER_USERNAME": "admin",
            "SUPERUSER_PASSWORD": "correct-horse",
            "SUPERUSER_CITY": "Paris",
            "HOME": "/",
        }
    )
    assert settings.given() == (
        f"PORT=8080 ({file})",
        "SUPERUSER_CITY=***",
        "SUPERUSER_PASSWORD=***",
        "SUPERUSER_USERNAME=admin",
    )
