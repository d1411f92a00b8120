"""Hooks: their order, their output and exports, and how their end affects the boot."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from deadline import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Command, Done, Project, Running

SAID: Final = re.compile(r"(?m)^\[hook (\S+)\] (.*)$")

ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends its rights to a hook")


class Folder:
    """The folder of the hooks, and an application that is not Django."""

    def __init__(self, entrypoint: Command, root: Path) -> None:
        self.root = root
        self.app = root.parent / "app"
        self.root.mkdir()
        self.app.mkdir(exist_ok=True)
        self._entrypoint = entrypoint
        self._environ = {"ENTRYPOINT_HOOKS_DIR": str(root), "ENTRYPOINT_APP": "no:app"}

    def add(self, name: str, text: str, mode: int = 0o644) -> Path:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def run(self, *words: str, **environ: str) -> Done:
        return self._entrypoint.run(self.app, *(words or ("prepare", "--only", "hooks")), **self._environ, **environ)

    def start(self, **environ: str) -> Running:
        return self._entrypoint.start(self.app, "prepare", "--only", "hooks", **self._environ, **environ)


@pytest.fixture
def hooks(entrypoint: Command, place: Path) -> Folder:
    return Folder(entrypoint, place / "hooks")


def test_hooks_run_in_version_order_and_say_their_name(hooks: Folder) -> None:
    hooks.add("10-ten.sh", "echo ten; printf 'no newline'")
    hooks.add("9-nine.sh", "echo nine; echo to stderr >&2")
    hooks.add("pre-start.d/9-more.py", "print('more')")
    done = hooks.run()
    assert done.code == 0
    assert SAID.findall(done.err) == [
        ("9-more", "more"),
        ("9-nine", "nine"),
        ("9-nine", "to stderr"),
        ("10-ten", "ten"),
        ("10-ten", "no newline"),
    ]
    assert "run pre-start hooks 9-more.py, 9-nine.sh, 10-ten.sh\n" in done.err


def test_each_is_run_by_what_its_name_and_mode_say(hooks: Folder) -> None:
    hooks.add("1.sh", "#!/bin/cat\nthe shebang's\n", 0o755)
    hooks.add("2.sh", "#!/bin/cat\necho by sh\n")
    hooks.add("3.sh", "echo without a shebang\n", 0o755)
    (hooks.app / "own.py").write_text("it = 'the application can be imported'\n")
    hooks.add("4.py", "#!/bin/cat\nimport own; print(own.it)\n")
    hooks.add("5.sh", 'echo "$PWD $OF_THE_USER"')
    done = hooks.run(OF_THE_USER="variables")
    assert SAID.findall(done.err) == [
        ("1", "#!/bin/cat"),
        ("1", "the shebang's"),
        ("2", "by sh"),
        ("3", "without a shebang"),
        ("4", "the application can be imported"),
        ("5", f"{hooks.app} variables"),
    ]


def test_phases_stand_around_the_migrations(hooks: Folder, project: Project) -> None:
    for phase in ("pre-migrate", "post-migrate", "pre-start"):
        hooks.add(f"{phase}.d/1-{phase}.sh", f"echo {phase}")
    hooks.app = project.root
    done = hooks.run("prepare", "--only", "hooks", "--only", "migrate")
    assert done.code == 0
    told = [line for line in done.err.splitlines() if "[hook" in line or "migrations applied" in line]
    assert [line.split()[-1] for line in told] == ["pre-migrate", "applied", "post-migrate", "pre-start"]
    done = hooks.run("prepare", "--only", "hooks", ENTRYPOINT_MIGRATE="off")
    assert SAID.findall(done.err) == [("1-pre-start", "pre-start")]
    assert "skip hooks 1-post-migrate.sh, 1-pre-migrate.sh: ENTRYPOINT_MIGRATE=off\n" in done.err


def test_exported_variables_reach_all_later_steps_and_programs(hooks: Folder, project: Project) -> None:
    project.add_setting('STATIC_ROOT = os.environ["FROM_A_HOOK"]')
    hooks.app = project.root
    static = project.root / "of the hook"
    exports = f"export FROM_A_HOOK='{static}' LINES='two\nlines'; unset REMOVED; INNER=x; exit 0"
    hooks.add("pre-migrate.d/1.envsh", exports)
    hooks.add("2.envsh", 'export LATE="$FROM_A_HOOK, changed"; echo sourced')
    hooks.add("3.sh", 'echo "$LINES"; echo "$LATE ${REMOVED-removed} ${INNER-inner}"')
    done = hooks.run("prepare", "--skip", "port", "--skip", "validate", REMOVED="no")
    assert done.code == 0, done.err
    assert SAID.findall(done.err) == [
        ("2", "sourced"),
        ("3", "two"),
        ("3", "lines"),
        ("3", f"{static}, changed removed inner"),
    ]
    assert "source pre-migrate hooks 1.envsh, before the application is loaded\n" in done.err
    assert (static / "shelf/book.css").is_file()


def test_a_hook_that_writes_to_the_descriptor_of_its_exports_can_only_export(hooks: Folder) -> None:
    hooks.add(
        "1.envsh",
        "for each in /proc/self/fd/*; do case $(readlink $each) in /memfd*) it=$each;; esac; done\n"
        "trap \"/usr/bin/env -0 >$it; printf 'x\\0=x\\0\\0BY_HAND=y=z\\0' >>$it\" EXIT\n"
        "export EXPORTED=yes\n",
    )
    hooks.add("2.sh", 'echo "$EXPORTED $BY_HAND"')
    done = hooks.run()
    assert (done.code, SAID.findall(done.err)) == (0, [("2", "yes y=z")])


def test_nothing_is_sourced_where_other_steps_are_chosen(hooks: Folder) -> None:
    hooks.add("pre-migrate.d/1.envsh", "echo sourced")
    assert SAID.findall(hooks.run("prepare", "--only", "render").err) == []
    assert SAID.findall(hooks.run("prepare", "--skip", "hooks", "--skip", "port", "--skip", "validate").err) == []


def test_a_hook_that_changes_a_setting_is_warned_of(hooks: Folder) -> None:
    hooks.add("1.envsh", "export PORT=9 DJANGO_SETTINGS_MODULE=x")
    done = hooks.run()
    assert [line for line in done.err.splitlines() if "warning" in line] == [
        "[entrypoint] warning: hook 1.envsh changes PORT, which has no effect: settings are read before hooks run"
    ]


def test_hooks_run_as_the_current_user_with_its_home(hooks: Folder) -> None:
    hooks.add("1.sh", 'echo "$(id -u) $HOME $USER"')
    done = hooks.run(HOME="/our/home", USER="me", **({"ENTRYPOINT_USER": "www-data"} if os.geteuid() == 0 else {}))
    assert SAID.findall(done.err) == [("1", "0 /root root" if os.geteuid() == 0 else f"{os.geteuid()} /our/home me")]


@ONLY_ROOT
def test_a_hook_runs_as_the_user_of_the_application_if_that_user_can_write_it(hooks: Folder) -> None:
    who = 'echo "$(id -un) $HOME $USER"'
    hooks.add("1.sh", who)
    os.chown(hooks.add("2.sh", who), 33, 33)
    os.chown(hooks.add("3.envsh", f"{who}; export FROM_THEIRS=yes LD_PRELOAD="), 33, 33)
    hooks.add("4.envsh", f'{who}; echo "theirs: $FROM_THEIRS"; export FROM_OURS=yes')
    hooks.add("5.py", "import os, pwd; print(pwd.getpwuid(os.getuid()).pw_name, os.environ['HOME'])")
    os.chown(hooks.add("6.sh", 'echo "theirs: $FROM_THEIRS, ours: $FROM_OURS"'), 33, 33)
    done = hooks.run(ENTRYPOINT_USER="www-data", HOME="/our/home")
    assert (
        "run pre-start hooks 1.sh, 2.sh as www-data, 3.envsh as www-data, 4.envsh, 5.py as www-data, 6.sh" in done.err
    )
    assert SAID.findall(done.err) == [
        ("1", "root /root root"),
        ("2", "www-data /var/www www-data"),
        ("3", "www-data /var/www www-data"),
        ("4", "root /root root"),
        ("4", "theirs: "),
        ("5", "www-data /var/www"),
        ("6", "theirs: yes, ours: yes"),
    ]


@ONLY_ROOT
def test_a_hook_of_another_user_can_open_its_stdout_and_stderr_by_name(hooks: Folder) -> None:
    os.chown(hooks.add("1.sh", "echo one >/dev/stdout; echo two >/dev/stderr; id -un"), 33, 33)
    done = hooks.run(ENTRYPOINT_USER="www-data")
    assert (done.code, SAID.findall(done.err)) == (0, [("1", "one"), ("1", "two"), ("1", "www-data")])


@ONLY_ROOT
def test_a_hook_of_root_finds_no_command_that_the_application_could_have_put_there(hooks: Folder) -> None:
    bin_ = hooks.app / ".venv/bin"
    bin_.mkdir(parents=True)
    for name in ("id", "python"):
        (bin_ / name).write_text("#!/bin/sh\necho planted\n")
        (bin_ / name).chmod(0o755)
    os.chown(bin_, 33, 33)
    hooks.add("1.envsh", 'id -un; export PATH="/opt/more:$PATH"')
    os.chown(hooks.add("2.sh", 'id -un; echo "$PATH"'), 33, 33)
    hooks.add("3.sh", 'id -un; echo "$PATH"')
    done = hooks.run(ENTRYPOINT_USER="www-data", PATH=f"{bin_}:/usr/bin:/bin")
    assert SAID.findall(done.err) == [
        ("1", "root"),
        ("2", "planted"),
        ("2", f"{bin_}:/opt/more:/usr/bin:/bin"),
        ("3", "root"),
        ("3", "/opt/more:/usr/bin:/bin"),
    ]


@ONLY_ROOT
def test_prestart_of_the_application_is_sourced_by_the_applications_user(hooks: Folder) -> None:
    (hooks.app / "prestart.sh").write_text("id -un; export FROM_IT=yes\n")
    os.chown(hooks.app, 33, 33)
    done = hooks.run(ENTRYPOINT_USER="www-data")
    assert SAID.findall(done.err) == [("prestart", "www-data")]


def test_prestart_is_sourced_among_the_hooks_of_the_start(hooks: Folder) -> None:
    (hooks.app / "prestart.sh").write_text("export FROM_IT=yes; echo $0\n")
    hooks.add("1.sh", "echo one")
    hooks.add("z.sh", "echo $FROM_IT")
    done = hooks.run()
    assert SAID.findall(done.err) == [("1", "one"), ("prestart", f"{hooks.app}/prestart.sh"), ("z", "yes")]


def test_a_command_of_prestart_that_fails_ends_the_boot(hooks: Folder) -> None:
    (hooks.app / "prestart.sh").write_text("false || true\nsh -c 'exit 4'\necho never\n")
    done = hooks.run()
    assert done.code == 4
    assert done.err.splitlines()[-1] == "[entrypoint] cannot run pre-start hook prestart.sh: it exited with status 4"
    assert SAID.findall(done.err) == []


# ---- how they end


@pytest.mark.parametrize(
    ("name", "text", "code", "how"),
    [
        ("1.sh", "echo broken; exit 3", 3, "it exited with status 3"),
        ("1.sh", "kill -KILL $$", 137, "it was killed by SIGKILL"),
        ("1.sh", "kill -40 $$", 168, "it was killed by signal 40"),
        ("1.py", "raise SystemExit(4)", 4, "it exited with status 4"),
        ("1.envsh", "false", 1, "it exited with status 1"),
        ("1.envsh", "exit 5", 5, "it exited with status 5"),
        ("1.envsh", "exec true", 1, "it replaced the shell or its EXIT trap, so its variables are unknown"),
    ],
)
def test_a_hook_that_fails_ends_the_boot_with_its_own_code(
    hooks: Folder, name: str, text: str, code: int, how: str
) -> None:
    hooks.add(f"pre-start.d/{name}", text)
    hooks.add("2.sh", "echo never")
    done = hooks.run()
    assert done.code == code
    assert done.err.splitlines()[-1] == f"[entrypoint] cannot run pre-start hook {name}: {how}"
    assert "never" not in done.err


def test_a_shebang_without_an_interpreter_is_reported(hooks: Folder) -> None:
    hooks.add("1.sh", "#!/no/such/shell\n", 0o755)
    done = hooks.run()
    assert (done.code, done.err.splitlines()[-1]) == (
        126,
        "[entrypoint] cannot run pre-start hook 1.sh: No such file or directory",
    )


def test_a_hook_that_takes_too_long_is_ended_with_all_that_it_started(hooks: Folder, entrypoint: Command) -> None:
    hooks.add("1.sh", "trap 'echo asked to end; exit' TERM; sleep 100 & echo begun; sleep 100 & wait")
    done = hooks.run(ENTRYPOINT_HOOKS_TIMEOUT="2s")
    assert done.code == 75
    assert SAID.findall(done.err) == [("1", "begun"), ("1", "asked to end")]
    assert done.err.endswith(
        "cannot run pre-start hook 1.sh: it did not end within 2 s; ENTRYPOINT_HOOKS_TIMEOUT sets the limit\n"
    )
    assert entrypoint.left_running() == []


@pytest.mark.parametrize("phase", ["pre-migrate", "pre-start"])
def test_a_stop_ends_a_hook_and_the_boot(hooks: Folder, entrypoint: Command, phase: str) -> None:
    hooks.add(f"{phase}.d/1.envsh", "echo begun; sleep 100")
    running = hooks.start()
    running.wait_until_it_says("[hook 1] begun")
    code, _ = running.stop(signal.SIGTERM)
    assert code == 143
    assert running.err.endswith("[entrypoint] stopped by SIGTERM\n")
    assert entrypoint.left_running() == []


@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR1", "SIGUSR2"])
def test_a_signal_that_is_no_stop_does_not_end_the_boot(hooks: Folder, name: str) -> None:
    go_on = hooks.root.parent / "go-on"
    hooks.add("1.sh", f"echo begun; while [ ! -e {go_on} ]; do sleep 0.05; done; echo ended")
    running = hooks.start()
    running.wait_until_it_says("[hook 1] begun")
    running.process.send_signal(signal.Signals[name])
    go_on.touch()
    assert running.process.wait(PATIENCE) == 0
    assert SAID.findall(running.err) == [("1", "begun"), ("1", "ended")]


def test_a_process_that_a_hook_leaves_running_does_not_hold_the_boot(
    hooks: Folder, entrypoint: Command, until: Callable[..., None]
) -> None:
    hooks.add("1.sh", "sleep 100 & echo $!")
    done = hooks.run()
    assert done.code == 0
    ((_, left),) = SAID.findall(done.err)
    assert entrypoint.left_running() == [int(left)]
    os.kill(int(left), signal.SIGKILL)
    until(lambda: not entrypoint.left_running())


# Each time that output is taken, more comes from a process that the command has left: without end, for 100 times.
LEFT_WRITING: Final = """
import os, pathlib, signal
from entrypoint.boot.effects.command import run
from entrypoint.boot.effects.signals import StopRequests
taken = []
def take(data):
    taken.append(data)
    shell, left = map(int, taken[0].split())
    while os.path.exists(f"/proc/{shell}/fd/1"):
        os.sched_yield()  # it ends now
    if len(taken) < 100:
        pathlib.Path(f"/proc/{left}/fd/1").write_bytes(b"more")
command = ("/bin/sh", "-c", "sleep 100 & echo $$ $!")
print(run("it", command, os.environ, take, StopRequests(), seconds=100), b"".join(taken[1:]).decode())
os.kill(int(taken[0].split()[1]), signal.SIGKILL)
"""


def test_a_process_that_a_command_leaves_writing_does_not_hold_the_boot() -> None:
    command = [sys.executable, "-P", "-c", LEFT_WRITING]
    told = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE).stdout
    assert told in (b"0 \n", b"0 more\n")  # the second if the command had not ended before its first line was taken


# Prints how each pipe of the boot is read: a process that can open the pipe could empty it before the boot reads. For a
# moment there is one more, in which subprocess waits for the exec of this program.
PIPES: Final = """
import os, time
boot = f"/proc/{os.getppid()}"

def flags(fd):
    try:
        if os.readlink(f"{boot}/fd/{fd}").startswith("pipe:"):
            return int(next(line for line in open(f"{boot}/fdinfo/{fd}") if line.startswith("flags:")).split()[1], 8)
    except FileNotFoundError:  # closed meanwhile
        pass
    return os.O_WRONLY

end = time.monotonic() + 20
while True:
    read = [each for each in map(flags, os.listdir(f"{boot}/fd")) if each & os.O_ACCMODE == os.O_RDONLY]
    if all(each & os.O_NONBLOCK for each in read) or time.monotonic() > end:
        break
    time.sleep(0.01)
for each in read:
    print("returns at once" if each & os.O_NONBLOCK else "waits")
"""


def test_the_boot_never_waits_in_a_read_of_what_others_may_have_read(hooks: Folder, project: Project) -> None:
    hooks.app = project.root
    hooks.add("post-migrate.d/1.py", PIPES)  # while the agent runs
    done = hooks.run("prepare", "--only", "hooks", "--only", "migrate")
    assert done.code == 0, done.err
    assert SAID.findall(done.err) == [("1", "returns at once")] * 3  # of hook, agent and signals


# ---- shown and refused values


def test_a_dry_run_names_the_hooks_and_runs_none(hooks: Folder, tree: Callable[[Path], object]) -> None:
    for name in ("1.sh", "2.envsh", "pre-migrate.d/3.envsh", "pre-migrate.d/4.sh"):
        hooks.add(name, f"touch {hooks.root}/ran; echo ran")
    hooks.add("pre-stop.d/5.sh", "#!/bin/sh\n", 0o755)
    hooks.add("pre-stop.d/6.py", "")
    for name in ("README.md", "7.sh.bak", "8.sh~", ".9.sh", "pre-migrat.d/10.sh"):
        hooks.add(name, "")
    before = tree(hooks.root)
    done = hooks.run("--dry-run", "--format", "json")
    assert done.code == 0, done.err
    assert tree(hooks.root) == before
    plan = json.loads(done.out)
    assert [step["line"] for step in plan["steps"] if step["name"] == "hooks"] == [
        "source pre-migrate hooks 3.envsh, before the application is loaded",
        f"ignore 7.sh.bak, 8.sh~, README.md, pre-migrat.d in {hooks.root}: not a hook",
        "run pre-migrate hooks 4.sh",
        "run pre-start hooks 1.sh, 2.envsh",
    ]
    (supervision,) = [json.loads(file["text"]) for file in plan["files"] if file["path"].endswith("supervision.json")]
    shell, python = supervision["pre_stop"]
    assert shell == {"name": "5.sh", "command": [f"{hooks.root}/pre-stop.d/5.sh"], "as_root": True}
    assert (python["name"], python["command"][:2]) == ("6.py", ["/usr/bin/env", f"PYTHONPATH={hooks.app}"])
    assert python["command"][3:] == [f"{hooks.root}/pre-stop.d/6.py"]


def test_the_name_of_a_pre_stop_hook_begins_no_line_of_its_own_in_the_log(hooks: Folder) -> None:
    hooks.add("pre-stop.d/1\n[entrypoint] x.sh", "")
    files = json.loads(hooks.run("--dry-run", "--format", "json").out)["files"]
    (supervision,) = [json.loads(file["text"]) for file in files if file["path"].endswith("supervision.json")]
    (hook,) = supervision["pre_stop"]
    assert (hook["name"], hook["command"][-1]) == (
        "1\\n[entrypoint] x.sh",
        f"{hooks.root}/pre-stop.d/1\n[entrypoint] x.sh",
    )


@ONLY_ROOT
@pytest.mark.parametrize("dry", [True, False], ids=["dry", "real"])
def test_root_runs_no_hook_that_anyone_may_change(hooks: Folder, *, dry: bool) -> None:
    hooks.add("pre-migrate.d/1.envsh", "echo ran", 0o666)
    (hooks.add("pre-start.d/2.sh", "echo ran").parent).chmod(0o1777)
    done = hooks.run(*(["--dry-run"] if dry else []))
    assert done.code == 78
    assert "ran" not in done.err
    first, second = f"{hooks.root}/pre-migrate.d/1.envsh", f"{hooks.root}/pre-start.d"
    assert done.err.splitlines()[-2:] == [
        f"[entrypoint] cannot use hook {first} as root: anyone can write it; run chmod o-w to fix it",
        f"[entrypoint] cannot use hook {second}/2.sh as root: anyone can write {second}; run chmod o-w to fix it",
    ]


def test_a_named_folder_that_does_not_exist_is_refused(entrypoint: Command, place: Path) -> None:
    done = entrypoint.run(place, "--dry-run", ENTRYPOINT_HOOKS_DIR=f"{place}/none", ENTRYPOINT_APP="no:app")
    assert (done.code, done.err) == (
        78,
        f"[entrypoint] cannot read the hooks in {place}/none: No such file or directory\n",
    )


def test_a_hook_that_could_export_to_nobody_is_refused(hooks: Folder) -> None:
    hooks.add("pre-stop.d/1.envsh", "")
    done = hooks.run("--dry-run")
    assert done.code == 78
    assert "pre-stop.d/1.envsh: no program after it can use its exports\n" in done.err


# ---- hooks that run once, and the variables of hooks


def prepared(entrypoint: Command, project: Project, hooks: Folder, **environ: str) -> Done:
    words = ("prepare", "--only", "migrate", "--only", "hooks")
    done = entrypoint.run(project.root, *words, ENTRYPOINT_HOOKS_DIR=str(hooks.root), **environ)
    assert done.code == 0, done.err
    return done


def said(done: Done) -> list[tuple[str, str]]:
    return SAID.findall(done.err)


def test_hooks_after_the_migrations_learn_how_many_were_applied(
    entrypoint: Command, project: Project, hooks: Folder
) -> None:
    for name in ("pre-migrate.d/1.sh", "post-migrate.d/2.sh", "3.sh"):
        hooks.add(name, 'echo "${ENTRYPOINT_MIGRATED-unset}"')
    first = prepared(entrypoint, project, hooks)
    number = re.search(r"(\d+) migrations applied", first.err)
    assert number
    assert said(first) == [("1", "unset"), ("2", number[1]), ("3", number[1])]
    assert said(prepared(entrypoint, project, hooks)) == [("1", "unset"), ("2", "0"), ("3", "0")]


def test_a_hook_may_run_once_for_each_text_of_it(entrypoint: Command, migrated_project: Project, hooks: Folder) -> None:
    hooks.add("post-migrate.d/1-index.once.sh", "echo indexed")
    hooks.add("2-always.sh", "echo always")
    assert said(prepared(entrypoint, migrated_project, hooks)) == [("1-index.once", "indexed"), ("2-always", "always")]
    again = prepared(entrypoint, migrated_project, hooks)
    assert said(again) == [("2-always", "always")]
    assert "     skip 1-index.once.sh: it has run for text " in again.err
    hooks.add("post-migrate.d/1-index.once.sh", "echo indexed anew")
    assert said(prepared(entrypoint, migrated_project, hooks))[0] == ("1-index.once", "indexed anew")


def test_a_hook_may_run_once_for_each_release(entrypoint: Command, migrated_project: Project, hooks: Folder) -> None:
    hooks.add("1-warm.once.py", "print('warm')")
    assert said(prepared(entrypoint, migrated_project, hooks, ENTRYPOINT_RELEASE="v1")) == [("1-warm.once", "warm")]
    hooks.add("1-warm.once.py", "print('another text')")
    again = prepared(entrypoint, migrated_project, hooks, ENTRYPOINT_RELEASE="v1")
    assert "     skip 1-warm.once.py: it has run for release v1\n" in again.err
    assert said(again) == []
    assert said(prepared(entrypoint, migrated_project, hooks, ENTRYPOINT_RELEASE="v2")) == [
        ("1-warm.once", "another text")
    ]


def test_a_hook_that_failed_is_run_again(entrypoint: Command, migrated_project: Project, hooks: Folder) -> None:
    hooks.add("1-index.once.sh", "echo tried; exit 7")
    environ = {"ENTRYPOINT_HOOKS_DIR": str(hooks.root), "ENTRYPOINT_RELEASE": "v1"}
    for _time in range(2):
        done = entrypoint.run(migrated_project.root, "prepare", "--only", "hooks", **environ)
        assert (done.code, said(done)) == (7, [("1-index.once", "tried")])
    hooks.add("1-index.once.sh", "echo done")
    assert said(prepared(entrypoint, migrated_project, hooks, ENTRYPOINT_RELEASE="v1")) == [("1-index.once", "done")]


def test_replicas_that_start_at_once_run_it_once(entrypoint: Command, migrated_project: Project, hooks: Folder) -> None:
    log = hooks.root.parent / "log"
    log.touch(0o666)
    hooks.add("1-index.once.sh", f"echo run >>{log}; while [ $(grep -c wait {log}) -lt 1 ]; do sleep 0.01; done")
    environ = {"ENTRYPOINT_HOOKS_DIR": str(hooks.root)}
    replicas = [entrypoint.start(migrated_project.root, "prepare", "--only", "hooks", **environ) for _ in range(2)]
    until(lambda: any("waiting to run the hooks of database default: replica" in each.err for each in replicas))
    with log.open("a", encoding="ascii") as opened:
        opened.write("wait\n")
    assert [each.process.wait(PATIENCE) for each in replicas] == [0, 0]
    assert log.read_text(encoding="ascii").count("run") == 1
    assert sorted("skip 1-index.once.sh" in each.err for each in replicas) == [False, True]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("1-x.once.envsh", "its variables are needed at each start, so it cannot run once"),
        (
            "pre-migrate.d/1-x.once.sh",
            "a hook that runs once is recorded in the database; move it to post-migrate.d or ",
        ),
        ("pre-stop.d/1-x.once.sh", "a hook that runs once is recorded in the database; move it to post-migrate.d or "),
    ],
)
def test_a_hook_that_cannot_run_once_is_refused(hooks: Folder, name: str, why: str) -> None:
    hooks.add(name, "true")
    done = hooks.run()
    assert done.code == 78
    assert f"[entrypoint] cannot run hook {name.rpartition('/')[2]}: {why}" in done.err


def test_a_hook_runs_once_only_where_a_database_records_it(hooks: Folder) -> None:
    hooks.add("1-x.once.sh", "true")
    done = hooks.run()
    why = "cannot run hook 1-x.once.sh once: Django's default database records that, and there is none"
    assert (done.code, done.err.splitlines()[-1]) == (78, f"[entrypoint] {why}")


def test_a_command_gets_what_hooks_export(hooks: Folder, entrypoint: Command, project: Project) -> None:
    hooks.add("pre-migrate.d/1.envsh", "export FIRST=1; echo first")
    hooks.add("2.envsh", 'export SECOND="$FIRST 2"')
    hooks.add("3.sh", "echo never; exit 3")
    project.root.chmod(0o755)  # or root refuses prestart.sh
    (project.root / "prestart.sh").write_text("export THIRD=3\n", encoding="ascii")
    environ = {"ENTRYPOINT_HOOKS_DIR": str(hooks.root)}
    done = entrypoint.run(project.root, "sh", "-c", 'echo "$FIRST, $SECOND, $THIRD, $ENTRYPOINT_MIGRATED"', **environ)
    assert (done.code, done.out, done.err) == (0, "1, 1 2, , \n", "[hook 1] first\n")


def test_a_sourced_hook_may_run_a_command_itself_and_so_may_what_has_its_variables(
    hooks: Folder, entrypoint: Command, project: Project
) -> None:
    hooks.add("pre-migrate.d/1.envsh", f"echo sourced; export NAME=$({entrypoint.script} sh -c 'echo inner $OWN')")
    environ = {"ENTRYPOINT_HOOKS_DIR": str(hooks.root), "OWN": "x"}
    done = entrypoint.run(project.root, "sh", "-c", f"exec {entrypoint.script} sh -c 'echo \"$NAME\"'", **environ)
    assert (done.code, done.out, done.err) == (0, "inner x\n", "[hook 1] sourced\n")


@ONLY_ROOT
def test_a_command_of_root_sources_a_hook_of_the_applications_user_as_that_user(
    hooks: Folder, entrypoint: Command, project: Project, ordinary_user: int
) -> None:
    os.chown(hooks.add("pre-migrate.d/1.envsh", "export WHO=$(id -u)"), ordinary_user, ordinary_user)
    hooks.add("pre-migrate.d/2.envsh", "export ROOT=$(id -u)")
    environ = {"ENTRYPOINT_HOOKS_DIR": str(hooks.root), "ENTRYPOINT_USER": str(ordinary_user)}
    done = entrypoint.run(project.root, "sh", "-c", 'echo "$WHO $ROOT $(id -u)"', **environ)
    assert (done.code, done.out) == (0, f"{ordinary_user} 0 {ordinary_user}\n"), done.err


def test_check_gets_what_the_application_reads(hooks: Folder, entrypoint: Command, project: Project) -> None:
    hooks.add("pre-migrate.d/1.envsh", "export FROM_HOOK=1")
    project.add_setting('\nos.environ["FROM_HOOK"]\n')
    done = entrypoint.run(project.root, "check", ENTRYPOINT_HOOKS_DIR=str(hooks.root))
    assert "FROM_HOOK" not in done.err, done.err
