"""User programs: what each source says, which source wins, and which mistakes are refused."""

from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from entrypoint.boot.settings.programs import program_keys
from entrypoint.boot.settings.programs.user_programs import UserProgram
from entrypoint.boot.settings.settings import Settings
from entrypoint.errors import Unusable
from entrypoint.protocol.probe import CONNECTS, Probe
from entrypoint.supervision.checks.probes import Endpoint


def read(folder: Path, **environ: str) -> dict[str, UserProgram]:
    return dict(Settings.read({"ENTRYPOINT_APP_DIR": str(folder), **environ}).programs)


def problems(folder: Path, **environ: str) -> tuple[str, ...]:
    with pytest.raises(Unusable) as caught:
        read(folder, **environ)
    return caught.value.problems


def worker(folder: Path, line: str) -> UserProgram:
    (folder / "entrypoint.toml").write_text(f'[programs.worker]\ncommand = "celery worker"\n{line}\n', "utf-8")
    return read(folder)["worker"]


# ---- the sources


def test_a_later_source_wins_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("worker: celery worker\nbeat: celery beat\n")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.entrypoint.programs.worker]\ntier = 5\n[tool.entrypoint.programs.beat]\ncommand = "beat"\n'
    )
    found = read(tmp_path, ENTRYPOINT_PROGRAM_BEAT="my beat", ENTRYPOINT_PROGRAM_MAIL_QUEUE="postfix")
    assert {name: (own.command, own.source) for name, own in found.items()} == {
        "worker": (("celery", "worker"), "Procfile"),
        "beat": (("my", "beat"), "ENTRYPOINT_PROGRAM_BEAT"),
        "mail-queue": (("postfix",), "ENTRYPOINT_PROGRAM_MAIL_QUEUE"),
    }
    assert found["worker"].stop_order == 5


def test_a_command_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "command").write_text("celery worker\n")
    assert read(tmp_path, ENTRYPOINT_PROGRAM_WORKER_FILE=f"{tmp_path}/command")["worker"].command == (
        "celery",
        "worker",
    )


@pytest.mark.parametrize("spelt", ["mail-queue", "mail_queue", "Mail_Queue"])
def test_a_name_has_one_spelling(tmp_path: Path, spelt: str) -> None:
    (tmp_path / "entrypoint.toml").write_text(f'[programs.{spelt}]\ncommand = "a"\n')
    assert list(read(tmp_path, ENTRYPOINT_PROGRAMS=spelt)) == ["mail-queue"]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("celery -A shop worker", ("celery", "-A", "shop", "worker")),
        ("python -c 'print(1)'", ("sh", "-c", "python -c 'print(1)'")),
        ("gunicorn -b :$PORT shop.wsgi", ("sh", "-c", "exec gunicorn -b :$PORT shop.wsgi")),
        ("DEBUG=1 celery worker", ("sh", "-c", "DEBUG=1 celery worker")),
        ("./migrate && ./serve", ("sh", "-c", "./migrate && ./serve")),
        ("a --b=c", ("a", "--b=c")),
    ],
)
def test_a_line_of_a_procfile_gets_a_shell_where_it_has_its_syntax(
    tmp_path: Path, line: str, command: tuple[str, ...]
) -> None:
    (tmp_path / "Procfile").write_text(f"# comment\n\nit: {line}\n")
    assert read(tmp_path)["it"].command == command


def test_elsewhere_no_command_gets_a_shell(tmp_path: Path) -> None:
    assert read(tmp_path, ENTRYPOINT_PROGRAM_IT="a $B && 'c d'")["it"].command == ("a", "$B", "&&", "c d")


def test_a_list_is_the_command_word_by_word(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text('[programs.it]\ncommand = ["sh", "-c", "a ; b # c"]\n')
    assert read(tmp_path)["it"].command == ("sh", "-c", "a ; b # c")


# ---- the keys


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("essential = true", "essential", True),
        ('restart = "on-failure"', "restart", "on-failure"),
        ('after = ["web", "nginx"]', "after", ("web", "nginx")),
        ('after = "web, nginx"', "after", ("web", "nginx")),
        ('ready = "unix:/run/x.sock"', "ready", "unix:/run/x.sock"),
        ('ready = "tcp:127.0.0.1:80"', "ready", "tcp:127.0.0.1:80"),
        ('ready = "tcp:[::1]:80"', "ready", "tcp:[::1]:80"),
        ('ready = "http://localhost:8000/health?a=b"', "ready", "http://localhost:8000/health?a=b"),
        ('ready = "log:^ready: (yes|1)$"', "ready", "log:^ready: (yes|1)$"),
        ('ready = "notify"', "ready", "notify"),
        ('live = "http://127.0.0.1/"', "live", "http://127.0.0.1/"),
        ('live = "notify"', "live", "notify"),
        ('user = "1000:1000"', "user", "1000:1000"),
        ('directory = "sub"', "directory", "sub"),
        ('environment = {A = "100% \\"x\\" ;", B = 3}', "environment", {"A": '100% "x" ;', "B": "3"}),
        ('memory_limit = "512m"', "memory_limit", 512 << 20),
        ('stop_signal = "SIGINT"', "stop_signal", "INT"),
        ('stop_timeout = "1500ms"', "stop_timeout", 1.5),
        ("stop_timeout = 10", "stop_timeout", 10.0),
        ("tier = 25", "stop_order", 25),
        ("stop_order = 25", "stop_order", 25),
        ("replicas = 3", "replicas", 3),
        ('log = "raw"', "log", "raw"),
        ('log = "file:logs/app.log"', "log", "file:logs/app.log"),
        ('log = "file:/var/log/a:b"\nready = "log:x"', "log_file", "/var/log/a:b"),
        ('log = "lines"', "log_file", None),
    ],
)
def test_a_key_is_read_as_its_type(tmp_path: Path, line: str, key: str, value: object) -> None:
    assert getattr(worker(tmp_path, line), key) == value


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('essential = "yes"', "essential=yes in entrypoint.toml: it is not true or false"),
        ('restart = "often"', "restart=often in entrypoint.toml: it is not one of always, on-failure, never"),
        ("restart = true", "restart in entrypoint.toml: it is not a string or an integer"),
        ("after = [1]", "after in entrypoint.toml: it is not a list of names"),
        ('after = "web;nginx"', "after=web;nginx in entrypoint.toml: 'web;nginx' is not a program name"),
        ('ready = "tcp:db:80"', "ready=tcp:db:80 in entrypoint.toml: its host must be an IP address (IPv6 in b"),
        ('ready = "tcp:127.0.0.1:0"', "ready=tcp:127.0.0.1:0 in entrypoint.toml: a port is a number from 1 to 65535"),
        (
            'live = "exit"',
            "live=exit in entrypoint.toml: it is not one of notify, unix:PATH, tcp:HOST:PORT, http://HOST",
        ),
        ('live = "running"', "live=running in entrypoint.toml: it is not one of notify, unix:PATH, tcp:HOST:PORT, "),
        ('live = "log:x"', "live=log:x in entrypoint.toml: it is not one of notify, unix:PATH, tcp:HOST:PORT, http://"),
        (
            'log = "raw"\nready = "log:x"',
            "ready=log:x in entrypoint.toml: with log=raw, its lines are not read",
        ),
        ('ready = "unix:/' + "é" * 54 + '"', "ready=unix:/" + "é" * 54 + " in entrypoint.toml: a socket's path"),
        ('ready = "log:a{99999999999}"', "ready=log:a{99999999999} in entrypoint.toml: its regular expression is i"),
        ('ready = "log:("', "ready=log:( in entrypoint.toml: its regular expression is invalid: "),
        ('ready = "http://127.0.0.1/a b"', "ready=http://127.0.0.1/a b in entrypoint.toml: it is not one of running, "),
        ('user = "a b"', "user=a b in entrypoint.toml: it is not a user name, a uid or uid:gid"),
        ('environment = {"A B" = ""}', "environment in entrypoint.toml: 'A B' is not a variable name"),
        ("environment = {A = true}", "environment in entrypoint.toml: A must be a string without a NUL, or an integer"),
        ('environment = "A=b"', "environment=A=b in entrypoint.toml: it is not a table"),
        ("memory_limit = 0", "memory_limit=0 in entrypoint.toml: it must be more than 0"),
        ('stop_signal = "STOP"', "stop_signal=STOP in entrypoint.toml: it is not one of TERM, HUP, INT, QUIT, KILL, "),
        ('stop_timeout = "soon"', "stop_timeout=soon in entrypoint.toml: a duration is a number with ms, s, m or h"),
        (
            "tier = 2\nstop_order = 3",
            "tier in entrypoint.toml: it means stop_order, which is given, too",
        ),
        ("tier = 0", "tier=0 in entrypoint.toml: it is not a whole number from 1 to 999"),
        ("replicas = 100", "replicas=100 in entrypoint.toml: it is not a whole number from 1 to 99"),
        ("replicas = true", "replicas in entrypoint.toml: it is not a whole number from 1 to 99"),
        ('log = "file"', "log=file in entrypoint.toml: it is not one of lines, raw, file:PATH"),
        ('log = "file:"', "log=file: in entrypoint.toml: it is not one of lines, raw, file:PATH"),
        ('log = "file:/var/log/"', "log=file:/var/log/ in entrypoint.toml: it is a folder, not a file"),
        ('log = "file:a\\nb"', "log=file:a\\nb in entrypoint.toml: it contains a control character"),
        ('directory = "a\\nb"', "directory=a\\nb in entrypoint.toml: it contains a control character"),
        ('restarts = "never"', "restarts in entrypoint.toml: there is no such key; did you mean restart?"),
    ],
)
def test_an_invalid_value_is_reported_with_file_and_key(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(Unusable) as caught:
        worker(tmp_path, line)
    (told,) = caught.value.problems
    assert told.startswith(f"cannot use programs.worker.{why}")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("worker = 1", ("cannot use programs.worker in entrypoint.toml: it is not a table",)),
        ("worker.tier = 3", ("cannot use programs.worker in entrypoint.toml: command is missing",)),
        (
            'worker.command = "a \'b"',
            ("cannot use programs.worker.command in entrypoint.toml: No closing quotation",),
        ),
        ("worker.command = []", ("cannot use programs.worker.command in entrypoint.toml: it is empty",)),
        (
            'nginx.command = "a"',
            ("cannot use programs.nginx in entrypoint.toml: nginx is a reserved name; choose another one",),
        ),
        (
            '"a:b".command = "a"',
            (
                (
                    "cannot use programs.a:b in entrypoint.toml: a program name has at most 63 characters: letters, "
                    "digits, - and _"
                ),
            ),
        ),
        (
            'a_b.command = "a"\na-b.command = "a"',
            ("cannot use programs.a-b in entrypoint.toml: another program has the same name (- and _ are equal)",),
        ),
        (
            'release.command = "a"\nrelease.tier = 3',
            (
                (
                    "cannot use programs.release.tier in entrypoint.toml: release runs once and takes only command, "
                    "directory, environment, user"
                ),
            ),
        ),
        (
            'web.command = "a"\nweb.replicas = 2',
            ("cannot use programs.web.replicas=2 in entrypoint.toml: all replicas would listen on the same $PORT",),
        ),
        (
            'web.command = "a"\nweb.environment.PORT = "http"',
            (
                (
                    "cannot use programs.web.environment.PORT in entrypoint.toml: a port is a number from 1 to 65535, "
                    "optionally after an IP address and a colon"
                ),
            ),
        ),
    ],
)
def test_an_invalid_program_is_reported(tmp_path: Path, table: str, told: tuple[str, ...]) -> None:
    (tmp_path / "entrypoint.toml").write_text(f"[programs]\n{table}\n")
    assert problems(tmp_path) == told


def test_problems_of_all_sources_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("worker: celery\nno command\nnginx: x\n")
    (tmp_path / "entrypoint.toml").write_text("[programs.worker]\ntier = 0\n")
    assert problems(tmp_path, ENTRYPOINT_PROGRAM_BEAT="'", PORT="x")[1:] == (
        "cannot read Procfile, line 2: it is not of the form name: command",
        "cannot use nginx: in Procfile: nginx is a reserved name; choose another one",
        "cannot use programs.worker.tier=0 in entrypoint.toml: it is not a whole number from 1 to 999",
        "cannot use ENTRYPOINT_PROGRAM_BEAT=': No closing quotation",
    )


# ---- names that other programs name


@pytest.mark.parametrize(
    ("orders", "told"),
    [
        ({"a": "b", "b": "c"}, ()),
        ({"a": "b", "b": "a"}, ("would wait for itself",)),
        ({"a": "a"}, ("cannot use programs.a.after=a in entrypoint.toml: a would wait for itself (a after a)",)),
        ({"a": "d"}, ("cannot use programs.a.after=d in entrypoint.toml: there is no program d",)),
        ({"a": "wep"}, ("there is no program wep; did you mean web?",)),
        ({"a": "release"}, ("there is no program release",)),
    ],
)
def test_an_order_that_cannot_be_is_refused(tmp_path: Path, orders: dict[str, str], told: tuple[str, ...]) -> None:
    tables: dict[str, Any] = {name: orders.get(name) for name in "abc"}
    text = "".join(
        f'[programs.{name}]\ncommand = "x"\n' + (f'after = ["{after}"]\n' if after else "")
        for name, after in tables.items()
    )
    (tmp_path / "entrypoint.toml").write_text(text)
    if told:
        (found,) = problems(tmp_path)
        assert told[0] in found
    else:
        assert list(read(tmp_path)) == ["a", "b", "c"]


def test_an_unknown_role_is_reported_with_the_nearest(tmp_path: Path) -> None:
    assert problems(tmp_path, ENTRYPOINT_PROGRAM_WORKER="x", ENTRYPOINT_PROGRAMS="web worke") == (
        "cannot use ENTRYPOINT_PROGRAMS: there is no program worke; did you mean worker?",
    )


def test_a_projects_file_may_choose_instead_of_declare(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text('programs = "worker"\n')
    (tmp_path / "Procfile").write_text("worker: a\nbeat: b\n")
    settings = Settings.read({"ENTRYPOINT_APP_DIR": str(tmp_path)})
    assert (settings.serves, [own.name for own in settings.chosen]) == (False, ["worker"])


HOSTS = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    "::1",
    "[127.0.0.1]",
    "fe80::1%lo",
    "[fe80::1%lo]",
    "db",
    "",
    "[",
    "a@::1",
    "é",
]
PORTS = ["80", "0", "65535", "65536", "080", "", "x", "²"]
TAILS = ["", "/", "/a?b=c", "/é", "/a b", "?x", "#f", "/[", "/a@b", "/\\x7f"]
REGEXES = ["x", "(", "a{99999999999}", "(?P<a>x)", "(?i)x", "x(?i)", "\\N{x}", "(" * 500 + ")" * 500]
TEXTS = [
    *(f"tcp:{host}:{port}" for host, port in product(HOSTS, PORTS)),
    *(f"http://{host}{port}{tail}" for host, port, tail in product(HOSTS, ["", ":80", ":0", ":x"], TAILS)),
    *(f"unix:{first}{'é' * length}" for first, length in product(["/", "@", "x"], [0, 1, 53, 54, 107])),
    *(f"log:{regex}" for regex in REGEXES),
    *("running", "notify", "exit", "log", "log:", "tcp", "running:", "exit:1", "HTTP://127.0.0.1/", ""),
]


@pytest.mark.parametrize("key", ["ready", "live"])
def test_supervision_can_make_each_probe_that_is_taken(key: str) -> None:
    taken = []
    for text in TEXTS:
        with suppress(ValueError):
            taken.append(program_keys.READERS[key](text))
    for text in taken:
        made = Probe.parse(text)
        if made.kind in CONNECTS:
            Endpoint.of(made)
    assert {"tcp:localhost:80", "tcp:[::1]:65535", "http://127.0.0.1:80/a?b=c", "unix:/é", "notify"} <= {*taken}
    assert len(taken) < len(TEXTS) / 4


SERVED_BY_NOBODY = {"ENTRYPOINT_SERVER": "none", "ENTRYPOINT_NGINX": "off"}


@pytest.mark.parametrize("name", ["worker", "web"])
def test_without_server_and_nginx_user_programs_run(tmp_path: Path, name: str) -> None:
    assert list(read(tmp_path, **SERVED_BY_NOBODY, **{f"ENTRYPOINT_PROGRAM_{name.upper()}": "true"})) == [name]


def test_a_release_alone_is_nothing_to_run(tmp_path: Path) -> None:
    assert problems(tmp_path, **SERVED_BY_NOBODY, ENTRYPOINT_PROGRAM_RELEASE="true") == (
        "cannot use ENTRYPOINT_SERVER=none without nginx: nothing would serve the site",
    )


# ---- enabled


@pytest.mark.parametrize(
    ("enabled", "flower", "runs"),
    [
        ("true", "", True),
        ("false", "", False),
        ('{env = "FLOWER"}', "", False),
        ('{env = "FLOWER"}', "1", True),
        ('{env = "FLOWER"}', "Yes", True),
        ('{env = "FLOWER"}', "off", False),
        ('{env = "FLOWER", default = true}', "", True),
    ],
)
def test_a_program_may_be_switched_by_a_variable(tmp_path: Path, enabled: str, flower: str, runs: bool) -> None:  # noqa: FBT001
    (tmp_path / "entrypoint.toml").write_text(f'[programs.worker]\ncommand = "celery"\nenabled = {enabled}\n', "utf-8")
    settings = Settings.read({"ENTRYPOINT_APP_DIR": str(tmp_path), "FLOWER": flower})
    assert [own.name for own in settings.chosen] == ["worker"] * runs


def test_a_role_runs_a_program_that_is_switched_off(tmp_path: Path) -> None:
    text = (
        '[programs.worker]\ncommand = "celery"\nenabled = false\n[programs.beat]\ncommand = "b"\nafter = ["worker"]\n'
    )
    (tmp_path / "entrypoint.toml").write_text(text, "utf-8")
    environ = {"ENTRYPOINT_APP_DIR": str(tmp_path)}
    assert [own.name for own in Settings.read(environ).chosen] == ["beat"]
    assert [own.name for own in Settings.read({**environ, "ENTRYPOINT_PROGRAMS": "worker"}).chosen] == ["worker"]


def test_a_web_that_is_switched_off_leaves_the_site_to_the_server(tmp_path: Path) -> None:
    (tmp_path / "entrypoint.toml").write_text('[programs.web]\ncommand = "waitress"\nenabled = false\n', "utf-8")
    settings = Settings.read({"ENTRYPOINT_APP_DIR": str(tmp_path)})
    assert (settings.own_server, settings.chosen) == (None, ())


def test_a_switch_that_is_neither_on_nor_off(tmp_path: Path) -> None:
    text = '[programs.worker]\ncommand = "celery"\nenabled = {env = "FLOWER"}\n'
    (tmp_path / "entrypoint.toml").write_text(text, "utf-8")
    (problem,) = problems(tmp_path, FLOWER="maybe")
    assert problem.startswith("cannot use programs.worker.enabled=maybe in entrypoint.toml: it is not one of yes, on, ")
