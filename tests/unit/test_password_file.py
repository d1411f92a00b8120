"""NGINX_BASIC_AUTH_FILE: a file that nginx's workers could not use is refused."""

import grp
import os
import pwd
from pathlib import Path, PurePosixPath

import pytest

from entrypoint.boot.effects.checks.password_file import check
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.trust.accounts import look_up
from entrypoint.errors import NotAllowed, Unusable

USER = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
"""Whom nginx's workers run as."""
GROUP = grp.getgrgid(USER.pw_gid).gr_name
HASHES = ("$6$salt$hash", "$5$a$b", "$apr1$a$b", "$2y$05$abc", "$y$j9T$a$b", "{SSHA}abc=", "abJnggxhB/yWI")


def file_of(place: Path, text: str, mode: int = 0o640) -> Path:
    file = place / "passwords"
    file.write_text(text)
    file.chmod(mode)
    return file


def told(file: Path, of: str | None = None) -> str:
    with pytest.raises((NotAllowed, Unusable)) as caught:
        check(PurePosixPath(file), look_up(of) if of else None)
    return str(caught.value).removeprefix(f"cannot use NGINX_BASIC_AUTH_FILE={file}: ")


def test_a_file_with_users_can_be_used(place: Path) -> None:
    users = "".join(f"user{n}:{hashed}\n" for n, hashed in enumerate(HASHES))
    check(PurePosixPath(file_of(place, f"# staging\n\n{users}")), None)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o444])
def test_a_file_that_everybody_can_read_is_refused(place: Path, mode: int) -> None:
    file = file_of(place, "me:$6$salt$hash\n", mode)
    assert told(file) == f"everybody can read it; run: chmod 600 {file}"
    assert told(file, USER.pw_name) == f"everybody can read it; run: chgrp {GROUP} {file} && chmod 640 {file}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it names no user"),
        ("# nobody\n", "it names no user"),
        ("me:open sesame\n", "line 1 holds no user and no hash that nginx knows"),
        ("# one\nme\n", "line 2 holds no user and no hash that nginx knows"),
        (":$6$salt$hash\n", "line 1 holds no user and no hash that nginx knows"),
    ],
)
def test_a_line_that_nginx_cannot_use_is_refused(place: Path, text: str, why: str) -> None:
    found = told(file_of(place, text))
    assert found == f"{why}; write lines of the form NAME:HASH, with hashes from `openssl passwd -6`"
    assert "sesame" not in found


def test_a_missing_file_is_reported(place: Path) -> None:
    file = place / "missing"
    assert told(file) == "No such file or directory; mount the file, or unset NGINX_BASIC_AUTH_FILE"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_the_workers_of_nginx_have_to_be_able_to_read_it(place: Path) -> None:
    file = file_of(place, "me:$6$salt$hash\n")
    mend = f"run: chgrp {GROUP} {file} && chmod 640 {file}"
    assert told(file, "nobody") == f"nobody, the user of nginx's workers, cannot read it; {mend}"
    os.chown(file, 0, USER.pw_gid)
    check(PurePosixPath(file), look_up("nobody"))


def test_a_secret_is_the_file_and_not_a_value() -> None:
    settings = Settings.read({"NGINX_BASIC_AUTH_FILE": "/run/secrets/htpasswd"})
    assert str(settings.basic_auth_file) == "/run/secrets/htpasswd"
    assert settings.warnings == ()
    assert "NGINX_BASIC_AUTH" not in settings.environment
