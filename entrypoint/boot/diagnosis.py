"""Finds the problems of this container for this user: `entrypoint doctor`.

It writes nothing. Like `entrypoint check` it sources the .envsh hooks and loads the application.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from entrypoint import certificate
from entrypoint.boot.decisions import overrides
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.decide import decide
from entrypoint.boot.decisions.programs.programs import user_account
from entrypoint.boot.effects.checks import overlaps, unwritable
from entrypoint.boot.effects.checks.unwritable import Place
from entrypoint.boot.effects.disk import secret_key
from entrypoint.boot.effects.performers import RealPerformer
from entrypoint.boot.effects.processes.agent import Agent
from entrypoint.boot.effects.processes.hook_runner import HookRunner
from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.facts.machine import Facts, read_machine
from entrypoint.boot.plan import config_warnings
from entrypoint.boot.plan.check_steps import CheckPort, CheckReadable, CheckWritable, FindPrograms
from entrypoint.boot.plan.findings import Finding, of_config, of_database, of_message
from entrypoint.boot.plan.plan import make_plan
from entrypoint.boot.plan.steps import WARNING
from entrypoint.boot.run import agent_of, source
from entrypoint.boot.settings.settings import Settings
from entrypoint.errors import EntrypointError, Stopped
from entrypoint.output import log
from entrypoint.processes.control_group import text as kernel_text
from entrypoint.protocol import filenames
from entrypoint.protocol.agent import CapacityRequest, CheckRequest

_STEPS: Final = (FindPrograms, CheckPort, CheckReadable, CheckWritable)
_DAY: Final = 24 * 3600.0
_SOON: Final = 14  # days; Let's Encrypt's certificates are renewed when 30 are left
_PATIENCE: Final = 2.0  # seconds for each database
_ANY: Final = "00000000"  # an address in /proc/net/route
_STATIC: Final = "warning: cannot use STATIC_ROOT: "


class Diagnosis:
    """One examination. It continues after each error, to report all findings at once."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._heard: list[str] = []
        self._stops = StopRequests()

    def examine(self, environ: Mapping[str, str]) -> None:
        """Collect the findings."""
        try:
            settings = Settings.read(environ)
            machine = read_machine(settings)
        except EntrypointError as error:
            self._fail(error)
            return
        application = None
        with self._collecting():
            settings, hooks = source(settings, machine, self._hear, self._stops)
            settings = secret_key.previewed(settings, machine)
            with agent_of(settings, machine, self._hear, self._stops, write_bytecode=False) as agent:
                application = agent.application() if agent else None
                self._plan(settings, Facts(machine, application), agent, hooks)
        try:
            config = decide(settings, Facts(machine, application))
        except EntrypointError:  # it has been reported
            return
        kubernetes = "KUBERNETES_SERVICE_HOST" in config.settings.environment
        for place in list(self._places(config)):
            if found := unwritable.check(place, kubernetes=kubernetes):
                # It has a better remedy than the message of a boot.
                same = place.boot_says or found.problem
                self.findings = [each for each in self.findings if not each.problem.startswith(same)] + [found]
        network = network_of(kernel_text(Path("/proc/net/route")))
        self.findings += [*_streams(config), *_expiry(config), *of_config(config, network)]
        self.findings.sort(key=lambda finding: not finding.wrong)

    def _plan(self, settings: Settings, facts: Facts, agent: Agent | None, hooks: HookRunner) -> None:
        config, machine = decide(settings, facts), facts.machine
        overlaps.check(config)
        # Not its own run directory, whose files the running site uses.
        plan = make_plan(replace(settings, run_dir=machine.temporary), facts)
        known = {f"warning: {text}" for text in config_warnings.stop(config)}
        warnings = (str(step) for step in plan.steps if step.name == WARNING)
        self.findings += [of_message(text) for text in warnings if text not in known]
        performer = RealPerformer(hooks, agent)
        lowest = 0 if machine.root else machine.lowest_port
        for step in plan.steps:
            taken = isinstance(step, CheckPort) and (_runs(config) or config.listen.port < lowest)
            if isinstance(step, _STEPS) and not taken:
                with self._collecting():
                    performer.apply(step)
        if agent:
            collects = any(step.name == "collectstatic" for step in plan.steps)
            with self._collecting():
                agent.ask("check", CheckRequest(collects=collects))
            workers = overrides.workers_of(config) if config.server else 0
            answer = agent.ask("databases", CapacityRequest(workers, _PATIENCE))
            self.findings += [of_database(line) for line in answer.text.splitlines()]
            wanted = (_STATIC, "warning: packages: ", "error: ")
            self.findings += [of_message(line) for line in self._heard if line.startswith(wanted)]

    @contextmanager
    def _collecting(self) -> Iterator[None]:
        """Turn an error into findings, and continue after it."""
        try:
            yield
        except Stopped:
            raise
        except EntrypointError as error:
            self._fail(error)

    def _fail(self, error: EntrypointError) -> None:
        self.findings += [of_message(line) for line in error.lines()]

    def _hear(self, name: str, text: str, level: str = "info") -> None:
        del name, level
        self._heard.append(text)

    def _places(self, config: ResolvedConfig) -> Iterator[Place]:
        """Yield the folders and files that a boot or the site writes."""
        account = config.run_as
        yield Place("ENTRYPOINT_RUN_DIR", Path(config.run_dir), lasting=False)
        yield Place("TMPDIR", Path(config.machine.temporary), lasting=False)
        if config.settings.data_dir:
            yield Place("ENTRYPOINT_DATA_DIR", Path(config.settings.data_dir))
        application = config.application
        if application is None:
            return
        reported = (*application.unwritable, *(line for line in self._heard if line.startswith(_STATIC)))
        possible = {"STATIC_ROOT": application.static_root, "MEDIA_ROOT": application.media_root}
        for setting, folder in possible.items():
            if folder and any(setting in text for text in reported):
                yield Place(setting, Path(folder), account, boot_says=f"cannot use {setting}: ")
        for alias, name in application.sqlite.items():
            path = config.machine.app_dir / name
            # The folder of the code should not become the application's: its message says so.
            if any(f"database {alias}:" in text for text in reported) and path.parent != config.machine.app_dir:
                what = f'the folder of DATABASES["{alias}"]'
                yield Place(what, Path(path.parent), account, boot_says=f"cannot use database {alias}: ")


def as_text(findings: Iterable[Finding]) -> str:
    """Return the findings for a person: each problem, and below it the line that fixes it."""
    lines = []
    for problem, remedy, where, wrong in findings:
        lines.append(log.printable(problem if wrong else f"cannot be seen from inside: {problem}"))
        lines += [f"    {where}:"] if where else []
        lines += [f"    {'    ' if where else ''}{log.printable(line)}" for line in remedy.splitlines()]
    count = sum(each.wrong for each in findings)
    lines.append("nothing is wrong" if not count else f"{count} problem{'' if count == 1 else 's'}")
    return "".join(f"{line}\n" for line in lines)


def as_json(findings: Iterable[Finding]) -> str:
    """Return the findings as a list of objects."""
    return json.dumps([each._asdict() for each in findings], indent=2, ensure_ascii=False) + "\n"


def _expiry(config: ResolvedConfig) -> Iterator[Finding]:
    """Yield a finding if the certificate has expired or soon will; none if this user may not read it."""
    if not config.nginx or not config.settings.tls:
        return
    path = config.certificate_file or config.settings.tls_certificate
    ends = certificate.expiry(path) if path else None
    days = (ends - time.time()) / _DAY if ends is not None else _SOON
    if days < _SOON:
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(ends))
        left = f"expires at {when}" if days > 0 else f"expired at {when}"
        renew = "docker exec CONTAINER entrypoint ctl signal USR1 certificates" if config.settings.acme else ""
        yield Finding(
            f"the certificate {path} {left}", renew, "on the host; the log says why it fails" if renew else ""
        )


def _streams(config: ResolvedConfig) -> Iterator[Finding]:
    """Yield a finding for each program that writes to the container's stdout directly, and cannot open it."""
    for program in config.user_programs:
        account = user_account(config, program) or config.machine.account
        if program.log == "raw" and not unwritable.opens_stdout(account):
            problem = f"{program.describe('log')}: {account} cannot open /dev/stdout again"
            yield Finding(problem, 'log = "lines"', "in the program's settings")


def _runs(config: ResolvedConfig) -> bool:
    """Return whether the site already runs here and has taken its port."""
    return os.path.exists(config.run_dir / filenames.CONTROL_SOCKET)  # noqa: PTH110 -- a PurePath


def network_of(routes: str) -> str:
    """Return the network of the interface with the default route, from which a proxy connects; "" if there is none.

    `routes` is the text of /proc/net/route: proc(5).
    """
    rows = [line.split() for line in routes.splitlines()[1:]]
    default = next((row[0] for row in rows if row[1] == _ANY), None)
    own = next((row for row in rows if row[0] == default and row[1] != _ANY and row[2] == _ANY), None)
    if own is None:
        return ""
    address, mask = (int.from_bytes(bytes.fromhex(text), "little") for text in (own[1], own[7]))
    return str(IPv4Network((address, mask.bit_count())))
