"""The commands that exec a program without a boot: one in the application's environment, or supervisorctl."""

import os
from pathlib import Path, PurePosixPath
from typing import NoReturn

from entrypoint.boot.decisions import environment
from entrypoint.boot.effects.disk import secret_key
from entrypoint.boot.effects.processes.switch import exec_program, switch_user
from entrypoint.boot.effects.signals import StopRequests, release
from entrypoint.boot.facts.machine import Machine, read_machine
from entrypoint.boot.run import source
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.sources.sources import SOURCED
from entrypoint.errors import NotAllowed, NotFound
from entrypoint.output.log import Tell
from entrypoint.protocol import filenames


def run_command(settings: Settings, tell: Tell, command: tuple[str, ...]) -> NoReturn:
    """Exec `command` in the application's environment, as the application's user, after sourcing the .envsh hooks."""
    machine = read_machine(settings)
    stops = StopRequests()
    wanted = SOURCED not in settings.environment
    settings, hooks = source(settings, machine, tell, stops, wanted=wanted)
    settings = secret_key.kept(settings, machine, stops)
    if machine.hooks.by_step and wanted:
        from entrypoint.boot.plan.hook_steps import exports  # noqa: PLC0415 -- needed only for such hooks

        for step in exports(settings, machine):
            hooks.run(step)
    stops.hand_over()
    release()
    if machine.root:
        switch_user(machine.account)
    surroundings = environment.for_application(settings, machine, settings.settings_module)
    exec_program(_with_interpreter(command, machine), hooks.changed(surroundings), machine.app_dir)


def _with_interpreter(command: tuple[str, ...], machine: Machine) -> tuple[str, ...]:
    """Put the application's interpreter before `manage.py`, and before a script that is not executable."""
    word = command[0]
    script = os.path.join(machine.app_dir, word)  # noqa: PTH118 -- an argument that may be of any length
    is_script = word.endswith(".py") and os.path.isfile(script)  # noqa: PTH113 -- as above
    runs_by_itself = "/" in word and os.access(script, os.X_OK)
    return (str(machine.python), *command) if is_script and not runs_by_itself else command


def control(settings: Settings, run_dir: Path, words: tuple[str, ...]) -> NoReturn:
    """Exec supervisorctl, connected to the supervisord of this container, whose run directory is `run_dir`."""
    machine = read_machine(settings)
    conf = str(run_dir / filenames.SUPERVISORD_CONF)
    if not os.path.exists(conf):  # noqa: PTH110 -- Path.exists raises where the name is too long
        raise NotFound(f"cannot find {conf}: nothing was started here with these settings")
    if (owner := os.stat(conf).st_uid) != os.geteuid():  # noqa: PTH116 -- as above
        # supervisorctl imports what the file names, and the socket is open to its owner alone.
        user = "root" if machine.root else f"uid {os.geteuid()}"
        raise NotAllowed(f"cannot use {conf} as {user}: uid {owner} owns it; run the command as that user")
    isolated = "-I" if machine.root else "-P"
    command = (str(machine.own_python), isolated, "-m", "supervisor.supervisorctl", "-c", conf, *words)
    exec_program(command, environment.of_process_1(settings, machine), PurePosixPath("/"))
