"""Root with files that the application's user can write: what it refuses, and what it does not run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from deadline import until

from entrypoint.boot.facts.templates import read_beside_app
from entrypoint.boot.trust.accounts import look_up
from entrypoint.boot.trust.trust import Trust
from entrypoint.errors import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Command, Project

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has someone to distrust")

USER = "www-data"
UID = 33


def give(path: Path) -> Path:
    os.chown(path, UID, UID, follow_symlinks=False)
    return path


def ones_own_folder(place: Path, name: str) -> Path:
    (place / name).mkdir()
    return give(place / name)


def secret_of_root(place: Path, text: str = "root: alone\n") -> Path:
    path = place / "secret"
    path.write_text(text)
    path.chmod(0o600)
    return path


class Fault(NamedTuple):
    """What is arranged in the folder of a test, and how `entrypoint --dry-run` then ends."""

    arrange: Callable[[Path, Project], dict[str, str]]
    code: int
    line: str


def templates(place: Path, _: Project) -> dict[str, str]:
    return {"ENTRYPOINT_CONF_DIR": str(ones_own_folder(place, "conf"))}


def a_template(place: Path, _: Project) -> dict[str, str]:
    (place / "conf").mkdir()
    (place / "conf/uwsgi.ini.j2").write_text("")
    give(place / "conf/uwsgi.ini.j2")
    return {"ENTRYPOINT_CONF_DIR": str(place / "conf")}


def nginx_conf(_: Path, project: Project) -> dict[str, str]:
    (project.root / "nginx.conf").write_text("events {}\n")
    give(project.root / "nginx.conf")
    return {"ENTRYPOINT_COMPAT": "tiangolo", "ENTRYPOINT_APP_DIR": str(project.root)}


def run_dir(place: Path, _: Project) -> dict[str, str]:
    return {"ENTRYPOINT_RUN_DIR": str(ones_own_folder(place, "theirs") / "run")}


def tls_key(place: Path, _: Project) -> dict[str, str]:
    folder = ones_own_folder(place, "tls")
    (folder / "key.pem").symlink_to(secret_of_root(place))
    return {"NGINX_TLS_CERTIFICATE": str(place / "secret"), "NGINX_TLS_KEY": str(folder / "key.pem")}


def file_of_a_secret(place: Path, _: Project) -> dict[str, str]:
    folder = ones_own_folder(place, "theirs")
    (folder / "key").symlink_to(secret_of_root(place))
    return {"SUPERUSER_PASSWORD_FILE": str(folder / "key")}


def procfile(place: Path, project: Project) -> dict[str, str]:
    (project.root / "Procfile").symlink_to(secret_of_root(place))
    return {}


def project_file(text: str) -> Callable[[Path, Project], dict[str, str]]:
    def arrange(_: Path, project: Project) -> dict[str, str]:
        project.write("entrypoint.toml", text)
        return {}

    return arrange


def data_dir(place: Path, _: Project) -> dict[str, str]:
    (place / "roots").mkdir(mode=0o700)
    folder = ones_own_folder(place, "theirs")
    (folder / "data").symlink_to(place / "roots")
    return {"ENTRYPOINT_DATA_DIR": str(folder / "data")}


FAULTS = {
    "templates": Fault(
        templates, 77, "cannot use ENTRYPOINT_CONF_DIR={place}/conf as root: www-data can write {place}/conf; "
    ),
    "a template": Fault(
        a_template, 77, "cannot use {place}/conf/uwsgi.ini.j2 as root: www-data can write {place}/conf/"
    ),
    "nginx.conf for another image": Fault(nginx_conf, 77, "nginx.conf as root: www-data can write /"),
    "run directory": Fault(
        run_dir, 77, "cannot use ENTRYPOINT_RUN_DIR={place}/theirs/run as root: www-data can write {place}/theirs;"
    ),
    "key of TLS": Fault(
        tls_key, 77, "cannot use NGINX_TLS_KEY={place}/tls/key.pem as root: www-data can write {place}"
    ),
    "file of a secret": Fault(
        file_of_a_secret, 78, "cannot read SUPERUSER_PASSWORD_FILE={place}/theirs/key: Permission denied"
    ),
    "Procfile": Fault(procfile, 78, "cannot read Procfile: Permission denied (as uid 33; the file is root:root 0600)"),
    "user": Fault(
        project_file('user = "root"\n'),
        78,
        "cannot use user in entrypoint.toml: it directs what root does, and www-data",
    ),
    "user and a program's": Fault(
        project_file('user = "root"\n[programs.a]\ncommand = "true"\nuser = "root"'),
        78,
        "cannot use user in entrypoint",
    ),
    "folder of hooks": Fault(
        project_file('hooks_dir = "/tmp"\n'), 78, "cannot use hooks_dir in entrypoint.toml: it directs what root does"
    ),
    "data folder": Fault(
        project_file('data_dir = "/tmp"\n'), 78, "cannot use data_dir in entrypoint.toml: it directs what root does"
    ),
    "user of a program": Fault(
        project_file('[programs.a]\ncommand = "true"\nuser = "root"\n'),
        78,
        "cannot use programs.a.user=root in entrypoint.toml: www-data can write {place}/app; chown the file to root",
    ),
    "log file of a program": Fault(
        project_file('[programs.a]\ncommand = "echo root2::0:0::/:/bin/sh"\nlog = "file:/etc/passwd"\n'),
        78,
        "cannot use programs.a.log=file:/etc/passwd in entrypoint.toml: root writes that file, and www-data can write ",
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_root_refuses(entrypoint: Command, project: Project, place: Path, fault: Fault) -> None:
    environ = fault.arrange(place, project)
    if not environ:
        give(project.root)
    user = {} if "ENTRYPOINT_USER" in environ or fault.line.startswith("cannot use user") else {"ENTRYPOINT_USER": USER}
    done = entrypoint.run(project.root, "--dry-run", **{"ENTRYPOINT_USER": "", **user, **environ})
    assert done.code == fault.code, done.err
    assert fault.line.format(place=place) in done.err


@pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0,
    reason="another folder of nginx needs mount(2)",
)
@pytest.mark.parametrize("path", ["mime.types", "conf.d", "."])
def test_root_refuses_files_of_nginx_that_the_applications_user_can_write(
    entrypoint: Command, project: Project, place: Path, path: str
) -> None:
    folder = place / "nginx"
    (folder / "conf.d").mkdir(parents=True)
    (folder / "mime.types").write_text(f"log_format evil text; access_log {place}/evil evil;\n")
    give(folder / path)
    there = ["unshare", "--mount", "sh", "-c", f'mount --bind {folder} /etc/nginx && exec "$0" "$@"']
    done = entrypoint.run_argv(project.root, [*there, entrypoint.script, "check"], ENTRYPOINT_USER=USER)
    wanted = Path("/etc/nginx", path)
    assert f"cannot use {wanted} as root: www-data can write {wanted}; to fix it, run `chown root`" in done.err
    assert done.err.count("cannot use /etc/nginx") == 1
    assert (done.code, (place / "evil").exists()) == (77, False)


def test_an_nginx_conf_that_appears_late_is_refused_too(place: Path) -> None:
    own = give(ones_own_folder(place, "theirs"))
    assert read_beside_app(own, Trust((look_up(USER),))) == {}
    (own / "nginx.conf").write_text("events {}\n")
    with pytest.raises(NotAllowed, match="www-data can write"):
        read_beside_app(own, Trust((look_up(USER),)))


def test_in_development_the_application_runs_as_the_owner_of_its_folder(entrypoint: Command, project: Project) -> None:
    os.chown(project.root, 4321, 4322)
    development = {"ENTRYPOINT_USER": "", "DJANGO_ENV": "development"}

    def runs_as(**settings: str) -> str:
        done = entrypoint.run(project.root, "env", "--format", "json", **settings)
        return str(next(each["value"] for each in json.loads(done.out) if each["name"] == "ENTRYPOINT_USER"))

    assert runs_as(**development) == "4321:4322"
    assert runs_as(**development | {"ENTRYPOINT_USER": USER}) == USER
    assert runs_as(ENTRYPOINT_USER="") == USER
    os.chown(project.root, 0, 0)
    assert runs_as(**development) == USER


@pytest.mark.parametrize("owner", [4321, UID])
def test_neither_the_owner_nor_www_data_directs_root_in_development(
    entrypoint: Command, project: Project, place: Path, owner: int
) -> None:
    os.chown(project.root, 4321, 4321)
    (place / "conf").mkdir()
    os.chown(place / "conf", owner, owner)
    development = {"ENTRYPOINT_USER": "", "DJANGO_ENV": "development", "ENTRYPOINT_CONF_DIR": str(place / "conf")}
    done = entrypoint.run(project.root, "--dry-run", **development)
    assert done.code == 77, done.err
    assert f"cannot use ENTRYPOINT_CONF_DIR={place}/conf as root: " in done.err


def test_the_owner_of_the_folder_may_not_name_another_user_in_development(
    entrypoint: Command, project: Project
) -> None:
    os.chown(project.root, 4321, 4321)
    project.root.chmod(0o755)
    project.write("entrypoint.toml", 'user = "root"\n')
    (project.root / "entrypoint.toml").chmod(0o644)
    done = entrypoint.run(project.root, "--dry-run", ENTRYPOINT_USER="", DJANGO_ENV="development")
    assert done.code == 78, done.err
    assert "cannot use user in entrypoint.toml: it directs what root does, and 4321:4321 can write" in done.err


@pytest.mark.parametrize("name", ["log", "data folder"])
def test_root_writes_nothing_through_a_link_of_the_applications_user(
    entrypoint: Command, project: Project, place: Path, name: str
) -> None:
    if name == "log":
        logs = ones_own_folder(place, "logs")
        project.write("entrypoint.toml", f'[programs.a]\ncommand = "true"\nlog = "file:{logs}/a.log"\n')
        project.root.chmod(0o755)
        (project.root / "entrypoint.toml").chmod(0o644)
        done = entrypoint.run(project.root, "prepare", "--only", "logs", ENTRYPOINT_USER=USER)
        assert f"cannot use programs.a.log=file:{logs}/a.log in entrypoint.toml: www-data can write {logs};" in done.err
    else:
        done = entrypoint.run(
            project.root, "prepare", "--only", "port", ENTRYPOINT_USER=USER, **data_dir(place, project)
        )
        assert "/theirs/data/secret_key: Permission denied" in done.err
        assert list((place / "roots").iterdir()) == []
    assert done.code == 77, done.err


def test_a_key_is_kept_in_a_folder_of_the_applications_user(entrypoint: Command, project: Project, place: Path) -> None:
    data = ones_own_folder(place, "data")
    done = entrypoint.run(
        project.root, "prepare", "--only", "programs", ENTRYPOINT_USER=USER, ENTRYPOINT_DATA_DIR=str(data)
    )
    assert done.code == 0, done.err
    found = (data / "secret_key").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (UID, UID, 0o600)


PLANTED = 'import os; open("{trace}", "a").write(f"{{__name__}} {{os.getuid()}}\\n")\n'


@pytest.mark.parametrize(
    "words", [("env",), ("--dry-run",), ("check",), ("ctl", "status"), ("health",), ("boot",), ("exec", "true")]
)
def test_root_imports_nothing_that_the_applications_user_has_planted(
    entrypoint: Command, project: Project, place: Path, words: tuple[str, ...]
) -> None:
    trace = place / "trace"
    trace.touch()
    trace.chmod(0o666)
    home = ones_own_folder(place, "home")
    for version in ("3.11", "3.12", "3.13"):
        packages = home / f".local/lib/python{version}/site-packages"
        packages.mkdir(parents=True)
        (packages / "usercustomize.py").write_text(PLANTED.format(trace=trace))
    for name in ("sitecustomize.py", "supervisor/__init__.py", "click.py", "json.py", "entrypoint/__init__.py"):
        project.write(name, PLANTED.format(trace=trace))
    for name in ("nginx", "supervisord", "setpriv", "sh", "env"):
        project.write(f".venv/bin/{name}", f"#!/bin/sh\necho {name} $(id -u) >>{trace}\n")
        (project.root / f".venv/bin/{name}").chmod(0o755)
    for path in (project.root, *project.root.rglob("*")):
        give(path)
    entrypoint.run(
        project.root,
        *words,
        ENTRYPOINT_USER=USER,
        HOME=str(home),
        PYTHONPATH=str(project.root),
        PATH=f"{project.root}/.venv/bin:/usr/bin:/bin",
    )
    assert [line for line in trace.read_text().splitlines() if line.endswith(" 0")] == []


@pytest.mark.parametrize("user", ["4321:4321", USER])
def test_no_process_of_root_has_the_variables_of_a_users_program_or_hook(
    entrypoint: Command, project: Project, place: Path, user: str
) -> None:
    """The dynamic linker obeys LD_… before the first instruction of a program: LD_PRELOAD would run as root."""
    account = look_up(user)
    trace, hooks = place / "trace", place / "hooks"
    (hooks / "pre-stop.d").mkdir(parents=True)
    trace.mkdir()
    trace.chmod(0o1777)
    variables = {"LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": str(trace / "of")}
    table = ", ".join(f'{name} = "{text}"' for name, text in variables.items())
    project.write("entrypoint.toml", f'[programs.a]\ncommand = "sleep 1000"\nenvironment = {{{table}}}\n')
    exports = "".join(f"export {name}={text}\n" for name, text in variables.items())
    (hooks / "1.envsh").write_text(exports)
    (hooks / "pre-stop.d/2.sh").write_text('#!/bin/sh\necho "stopping as $(id -u) $(id -g) $(id -G)" >/dev/stderr\n')
    for path in (hooks / "1.envsh", hooks / "pre-stop.d/2.sh", project.root / "entrypoint.toml", project.root):
        os.chown(path, account.uid, account.gid)
        path.chmod(0o755)
    settings = {"ENTRYPOINT_SERVER": "none", "ENTRYPOINT_NGINX": "off", "ENTRYPOINT_HOOKS_DIR": str(hooks)}
    environment = entrypoint.environment({"ENTRYPOINT_USER": user, **settings})
    log = place / "log"
    with (
        log.open("wb") as opened,
        subprocess.Popen(
            [entrypoint.script], cwd=project.root, env=environment, stdout=opened, stderr=opened
        ) as running,
    ):
        until(lambda: "ready after" in log.read_text(), "the start", instead=log.read_text)
        running.terminate()
        assert running.wait() == 0
    assert f"stopping as {account.uid} {account.gid} {account.gid}\n" in log.read_text()
    owners = {path.stat().st_uid for path in trace.iterdir()}
    assert owners == {account.uid}


def test_planted_code_would_run_without_isolation(project: Project, place: Path) -> None:
    trace = place / "trace"
    project.write("sitecustomize.py", PLANTED.format(trace=trace))
    os.spawnve(os.P_WAIT, "/usr/bin/python3", ["python3", "-c", ""], {"PYTHONPATH": str(project.root)})
    assert trace.read_text() == "sitecustomize 0\n"


def test_a_folder_that_an_older_release_gave_away_is_made_again(
    entrypoint: Command, project: Project, place: Path
) -> None:
    theirs = place / "run/nginx"
    theirs.mkdir(parents=True)
    victim = secret_of_root(place)
    (theirs / "nginx.pid").symlink_to(victim)
    (theirs / "scgi").symlink_to(victim)
    give(theirs)
    done = entrypoint.run(
        project.root, "prepare", "--only", "render", "--only", "validate", ENTRYPOINT_USER=USER, SECRET_KEY="s"
    )
    assert done.code == 0, done.err
    assert (victim.read_text(), victim.stat().st_uid) == ("root: alone\n", 0)
    found = theirs.stat()
    assert (found.st_uid, found.st_mode & 0o777) == (0, 0o755)
    assert not (theirs / "scgi").is_symlink()


def test_root_that_cannot_change_the_user_says_so_in_one_line(entrypoint: Command, project: Project) -> None:
    project.write("Procfile", "a: true\n")
    give(project.root)
    without = ["/usr/bin/setpriv", "--bounding-set=-setuid,-setgid", "--", str(entrypoint.script), "--dry-run"]
    done = entrypoint.run_argv(project.root, without, ENTRYPOINT_USER=USER)
    assert done.code == 77, done.err
    assert done.err.startswith("[entrypoint] cannot act as www-data: Operation not permitted; add the capabilities ")


@pytest.mark.parametrize("word", ["serve", "true"])
@pytest.mark.parametrize("names", [["CHOWN"], ["DAC_OVERRIDE"], ["KILL"], ["SETGID", "SETUID"]], ids=", ".join)
def test_root_without_a_capability_says_which_one(
    entrypoint: Command, plain: Path, word: str, names: list[str]
) -> None:
    dropped = ",".join(f"-{name.lower()}" for name in names)
    without = ["/usr/bin/setpriv", f"--bounding-set={dropped}", "--", str(entrypoint.script), word]
    done = entrypoint.run_argv(plain, without, ENTRYPOINT_USER=USER, ENTRYPOINT_APP="hello:app")
    what = f"capabilit{'y' if len(names) == 1 else 'ies'} {', '.join(names)}"
    flags = " ".join(f"--cap-add {name}" for name in names)
    line = f"cannot run the application as www-data: root lacks the {what}; add {flags}, or start the container as that"
    assert (done.code, done.err) == (77, f"[entrypoint] {line} user\n")


def test_root_does_not_read_an_environment_file_that_a_link_leads_to(
    entrypoint: Command, project: Project, place: Path
) -> None:
    (project.root / ".env").symlink_to(secret_of_root(place, "SECRET_KEY=of-root\n"))
    give(project.root)
    data = ones_own_folder(place, "data")
    done = entrypoint.run(
        project.root, "prepare", "--only", "programs", ENTRYPOINT_USER=USER, ENTRYPOINT_DATA_DIR=str(data)
    )
    assert done.code == 0, done.err
    assert (data / "secret_key").exists()  # as if there were no such file
