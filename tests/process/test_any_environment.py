"""Any environment gives a list of problems, or files that their readers accept and that contain the exact values.

Each environment has a tame twin, in which every free text is a plain word. What the readers make of the hostile files
has to be what they make of the twin's, with the words replaced by the texts: no text may add, end or change anything.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from deadline import PATIENCE
from hypothesis import event, given
from hypothesis import strategies as st
from supervisor.options import ServerOptions

from entrypoint.boot.decisions import environment
from entrypoint.boot.effects import printout
from entrypoint.boot.effects.performers import DryRunPerformer
from entrypoint.boot.effects.processes.agent import Agent, start
from entrypoint.boot.facts.machine import Facts, read_machine
from entrypoint.boot.plan.check_steps import CheckReadable
from entrypoint.boot.plan.file_steps import MakeCertificate, MakeDirectories
from entrypoint.boot.plan.plan import Plan, make_plan
from entrypoint.boot.settings import reference
from entrypoint.boot.settings.settings import Settings, setting_specs
from entrypoint.errors import EntrypointError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conftest import Project

    from entrypoint.boot.settings.spec import SettingSpec
    from entrypoint.protocol.agent import Application

SECRET: Final = "open-sesame-7f3a"
HOSTILE: Final = [
    *("%", "%%", "%d", "%(ENV_PATH)s", "%(here)s", "$", "$host", "${x}", "$(HOME)", "@(/etc/passwd)", "{{ x }}", "{%"),
    *(";", " ;", " #", "#", "}", "{", '"', "'", "\\", "\\n", "=", ",", ":", "[x]", "*", "?", "\n", "\r", "\t", "\x1b"),
    *(" ", "  ", "\x85", "\xa0", "\u2028", "\u202e", "\udce9", "é", "日本", "😀", "a", "; include x;", "x" * 300),
]
# What each reader has a way to say; a path of these may stand in each file.
GOOD: Final = [text for text in HOSTILE if text.isprintable() and not re.search(r"[$%@:]| [;#]", text)]
LONG: Final = st.sampled_from(["x" * 100_000, "%" * 100_000, "é\n" * 50_000])
TEXT: Final = (
    st.lists(st.sampled_from(HOSTILE) | st.characters(codec="utf-8", exclude_characters="/"), max_size=4).map("".join)
    | LONG
)
NAME: Final = st.lists(st.sampled_from(GOOD), min_size=1, max_size=4).map("".join)
SPOILED: Final = st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=4).map("".join)
ALL: Final = sorted(spec.name for spec in setting_specs())
SETS: Final = [
    {"NGINX_TLS_CERTIFICATE", "NGINX_TLS_KEY"},
    {"SUPERUSER_USERNAME", "SUPERUSER_EMAIL", "SUPERUSER_PASSWORD"},
    {"ENTRYPOINT_SERVER"},
]
"""Settings that belong together, or decide which files there are: half of the environments have them."""
BOOT_ALONE: Final = {
    "ENTRYPOINT_SUPERUSER",
    *(name for spec in setting_specs() if spec.secret for name in spec.names),
}
NEVER_EMPTY: Final = {"DJANGO_ENV", "DJANGO_SETTINGS_MODULE"}
"""What the programs get even where it is not set."""
FOREIGN: Final = [
    "UWSGI_PROCESSES",
    "UWSGI_HARAKIRI",
    "VIRTUAL_ENV",
    "TMPDIR",
    "DATABASE_URL",
    "NGINX_X",
    "ENTRYPOINT_X",
]
WORD: Final = re.compile(
    r"""\s+|\#[^\n]*|(?P<mark>[{};])|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>'(?:[^'\\]|\\.)*'|[^\s;{}"'\#][^\s;{]*)""",
    re.DOTALL,
)
NGINX: Final = shutil.which("nginx", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin") or "nginx"
SHOW: Final = """
import json, os, uwsgi
def text(value):
    return [text(each) for each in value] if isinstance(value, list) else value if value is True else value.decode()
print(json.dumps({name: text(value) for name, value in uwsgi.opt.items()}), flush=True)
os._exit(0)
"""


@dataclass
class Twins:
    """An environment and its tame twin, and what the words of the one stand for in the other."""

    folder: Path
    fits: bool
    hostile: dict[str, str] = field(default_factory=dict)
    tame: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    def word(self, text: str) -> str:
        word = f"tame{len(self.words)}x"
        self.words[word] = text
        return word

    def told(self, value: Any) -> Any:
        """Return what stands in the tame twin, with each word replaced by the text that it stands for."""
        if isinstance(value, str):
            return re.sub(r"tame\d+x", lambda match: self.words[match[0]], value)
        if isinstance(value, dict):
            return {self.told(key): self.told(each) for key, each in value.items()}
        return [self.told(each) for each in value] if isinstance(value, list | tuple) else value


@pytest.fixture
def application(project: Project, monkeypatch: pytest.MonkeyPatch) -> Application:
    """The facts of a real Django project, which is in the working directory."""
    monkeypatch.chdir(project.root)
    given = Settings.read({"ENTRYPOINT_APP_DIR": str(project.root), "ENTRYPOINT_USER": str(os.geteuid())})
    machine = read_machine(given)
    surroundings = environment.for_application(given, machine, given.settings_module)
    with Agent(start(machine, surroundings, write_bytecode=False), lambda *_: None) as agent:
        return agent.application()


@pytest.fixture
def pem(place: Path) -> tuple[Path, Path]:
    """The files of a certificate and of its key."""
    certificate, key = place / "pem", place / "key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def fitting(draw: st.DrawFn, spec: SettingSpec, twins: Twins, names: st.SearchStrategy[str]) -> tuple[str, str]:
    """Return a text of the form that the setting wants, with `names` wherever any text may stand, and its tame twin."""
    kind = spec.type
    name = f"{len(twins.words)}{draw(names)}".replace("/", "_")[:60]
    if kind.name == "path":
        hostile, tame = twins.folder / name, twins.folder / twins.word(name)
        if not spec.name.startswith("NGINX_TLS_"):
            for place in (hostile, tame):
                with suppress(ValueError):  # a NUL
                    place.mkdir()
                    if spec.name == "ENTRYPOINT_APP_DIR":
                        (place / "manage.py").touch()
        return str(hostile), str(tame)
    if kind.name == "URL path":
        return f"/{name}/", f"/{twins.word(name)}/"
    usual = {
        "program names": "web",  # the only one that there is
        "port": f"127.0.0.1:{draw(st.integers(20000, 60000))}",  # on the loopback interface alone: nginx -t binds it
        "number": str(draw(st.integers(1, 64))),
        "user": str(os.geteuid()),
        "e-mail address": "a@example.com",
        "secret": SECRET + name,
        "text": name,
    }
    examples = kind.schema.get("enum") or kind.schema.get("examples") or [name]
    text = usual.get(kind.name) or draw(st.sampled_from(examples))
    return text, text


def any_text(draw: st.DrawFn, spec: SettingSpec) -> str:
    if spec.secret:
        return SECRET + draw(TEXT)
    # Not the settings of folders that are written and of ports that nginx -t binds: those keep harmless values.
    pattern = None if spec.type.name in ("path", "port") else spec.type.schema.get("pattern")
    return draw(TEXT | st.from_regex(pattern, fullmatch=True) if pattern else TEXT)


@st.composite
def environments(draw: st.DrawFn, root: Path) -> Twins:
    """Draw an environment: two of three fit, in the third one or the other setting is any text."""
    spoiled = draw(st.integers(0, 2)) == 0
    twins = Twins(Path(tempfile.mkdtemp(dir=root, prefix="")), fits=not spoiled)
    chosen = {"PORT", "ENTRYPOINT_RUN_DIR", *draw(st.sets(st.sampled_from(ALL), max_size=12))}
    for each in SETS:
        chosen = chosen | each if draw(st.booleans()) else chosen - each
    for spec in setting_specs():
        if spec.name in chosen:
            if spoiled and draw(st.integers(0, 3)) == 0:
                hostile = tame = any_text(draw, spec)
            else:
                hostile, tame = fitting(draw, spec, twins, SPOILED if spoiled else NAME)
            put(draw, twins, draw(st.sampled_from(spec.names)), hostile, tame)
    for name in draw(st.sets(st.sampled_from(FOREIGN), max_size=3)) if spoiled else ():
        twins.hostile[name] = twins.tame[name] = draw(TEXT).replace("\0", "")[:30_000]  # the kernel takes 128 KiB
    return twins


def put(draw: st.DrawFn, twins: Twins, name: str, hostile: str, tame: str) -> None:
    """Set a variable to a text, or to the name of a file that holds it: the only way that a NUL has."""
    if "\0" in hostile or draw(st.integers(0, 3)) == 0:
        for environ, text in ((twins.hostile, hostile), (twins.tame, tame)):
            path = twins.folder / f".{name}.{len(environ)}.{environ is twins.tame}"
            path.write_bytes(os.fsencode(text))
            environ[f"{name}_FILE"] = str(path)
    else:
        twins.hostile[name], twins.tame[name] = hostile, tame


def plan_of(environ: Mapping[str, str], application: Application) -> tuple[Settings, Plan]:
    """Return the settings and the plan, without what lies in this machine's own /etc."""
    read = Settings.read(environ)
    machine = replace(read_machine(read), http_files=(), server_files=(), supervisor_files={})
    module = read.settings_module or application.settings_module
    return read, make_plan(read, Facts(machine, application._replace(settings_module=module)))


def leave_out_conflicts(twins: Twins, application: Application) -> None:
    """Leave out the settings of which a message says that they do not fit together."""
    while True:
        try:
            plan_of(twins.tame, application)
        except EntrypointError as error:
            lines = "\n".join(error.lines())
            named = [name for name in twins.tame if name.removesuffix("_FILE") in lines]
            for name in named or list(twins.tame)[-1:]:  # it may name a default of another setting
                del twins.hostile[name], twins.tame[name]
        else:
            return


def write(plan: Plan, pem: tuple[Path, Path]) -> dict[str, Path]:
    """Write the files of the plan, and what they point to; return their paths by name."""
    for step in plan.steps:
        if isinstance(step, CheckReadable):
            for path, real in zip(step.files.values(), pem, strict=True):
                Path(path).symlink_to(real)
        elif isinstance(step, MakeDirectories):
            for directory in step.directories:
                Path(directory.path).mkdir(parents=True, exist_ok=True)
        elif isinstance(step, MakeCertificate):
            Path(step.file).write_bytes(b"".join(real.read_bytes() for real in pem))
    for file in plan.files:
        Path(file.path).write_text(file.text, encoding="utf-8")
    return {file.path.name: Path(file.path) for file in plan.files}


def as_their_readers_read(files: Mapping[str, Path], uwsgi: Callable[[Path], Any]) -> dict[str, Any]:
    """Return what each file says to its reader; which files there are depends on who serves."""
    readers: dict[str, Callable[[Path], Any]] = {
        "supervisord.conf": as_supervisord_reads,
        "nginx.conf": as_nginx_reads,
        "nginx-app.conf": as_nginx_reads,
        "uwsgi.ini": uwsgi,
        "gunicorn.conf.py": as_gunicorn_reads,
        "supervision.json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    }
    assert {"supervisord.conf", "supervision.json"} <= files.keys() <= {*readers, "starting.html", "error.html"}
    return {name: read(files[name]) for name, read in readers.items() if name in files}


def as_supervisord_reads(path: Path) -> Any:
    options = ServerOptions()
    options.realize(["-c", str(path)])
    programs = [process for group in options.process_group_configs for process in group.process_configs]
    return {
        "programs": {
            program.name: [*shlex.split(program.command), program.uid, program.priority] for program in programs
        },
        "plugins": {name: given for name, _, given in options.rpcinterface_factories},
        "sockets": [server["file"] for server in options.server_configs],
        "own": [options.pidfile, options.childlogdir, options.logfile, options.minfds],
    }


def nginx_takes(path: Path) -> None:
    """Let a real nginx read all that it would; an include that finds nothing is no error to it."""
    done = subprocess.run(
        [NGINX, "-T", "-e", "stderr", "-c", str(path)], capture_output=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b"location = /-/ready" in done.stdout


def as_nginx_reads(path: Path) -> list[Any]:
    """Return the directives, each a list of its words and the block that follows, as nginx's manual has it."""
    stack: list[list[Any]] = [[]]
    words: list[Any] = []
    for match in WORD.finditer(path.read_text(encoding="utf-8")):
        if match["mark"] == "}":
            stack.pop()
        elif match["mark"]:
            directive = [*words]
            words = []
            stack[-1].append(directive)
            if match["mark"] == "{":
                directive.append([])
                stack.append(directive[-1])
        elif match["quoted"] is not None:
            text = re.sub(r"\\([\\\"])", r"\1", match["quoted"])
            if words == ["include"] and re.search(r"[*?\[]", text):  # a pattern is quoted twice
                text = re.sub(r"\\([*?\[\\])", r"\1", text)
            words.append(text)
        elif match["bare"]:
            words.append(match["bare"])
    assert (len(stack), words) == (1, [])
    return stack[0]


def as_uwsgi_reads(path: Path, folder: Path) -> Any:
    """Return the options of a real uWSGI, which takes none that it does not know."""
    (folder / "show.py").write_text(SHOW, encoding="ascii")
    uwsgi = Path(sys.executable).parent / "uwsgi"
    argv = [str(uwsgi), "--strict", "--ini", str(path), "--pyimport", "show"]
    done = subprocess.run(argv, capture_output=True, check=False, timeout=PATIENCE, env={"PYTHONPATH": str(folder)})
    *log, shown = done.stderr.decode(errors="replace").splitlines()  # uWSGI sends all output to its log
    assert (done.returncode, shown[:1]) == (0, "{"), [*log, shown]
    return {name: text for name, text in json.loads(shown).items() if name not in ("ini", "strict", "pyimport")}


def as_gunicorn_reads(path: Path) -> Any:
    plain = (bool, int, str, type(None))
    return {
        name: value for name, value in runpy.run_path(str(path)).items() if isinstance(value, plain) and name[0] != "_"
    }


def as_it_is_written(path: Path) -> dict[str, str]:
    """Return the options of a uwsgi.ini that holds plain words alone."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(" =") for line in lines if line and line[0] not in ";[")
    return {name: text.lstrip() for name, _, text in pairs}


@pytest.mark.timeout(600)
@given(data=st.data())
def test_any_environment_is_refused_line_by_line_or_every_file_is_right(
    place: Path, application: Application, pem: tuple[Path, Path], data: st.DataObject
) -> None:
    twins = data.draw(environments(place))
    if twins.fits:
        leave_out_conflicts(twins, application)
    said: list[str] = []
    try:
        ours, plan = plan_of(twins.hostile, application)
    except EntrypointError as error:
        event("refused")
        said = list(error.lines())
        assert said
        assert all(line.startswith("cannot ") for line in said), said
    else:
        event("planned")
        DryRunPerformer(lambda _name, line, _level="info": said.append(line)).execute(plan.steps)
        shown = [printout.as_text(plan, ours), printout.as_json(plan, ours), reference.dotenv(ours)]
        assert not [text for text in shown if SECRET in text]
        hold_exactly(twins, plan)
        tame = write(plan_of(twins.tame, application)[1], pem)
        expected = as_their_readers_read(tame, as_it_is_written)
        written = write(plan, pem)
        event("files " + " ".join(sorted(written)))
        if "nginx.conf" in written:
            nginx_takes(written["nginx.conf"])
        assert as_their_readers_read(written, lambda path: as_uwsgi_reads(path, twins.folder)) == twins.told(expected)
    assert [line for line in said if SECRET in line or not line.isprintable()] == []


def hold_exactly(twins: Twins, plan: Plan) -> None:
    """The programs get each text to the very character, and no name of a file."""
    for name, text in twins.hostile.items():
        variable = name if name in ALL else name.removesuffix("_FILE")  # NGINX_BASIC_AUTH_FILE is a setting itself
        if variable != name:
            assert name not in plan.exec.programs
        expected = text if variable == name else Path(text).read_bytes().decode().rstrip("\r\n")
        if variable not in BOOT_ALONE and (expected or variable not in NEVER_EMPTY):
            assert plan.exec.programs[variable] == expected
