"""Switch the maintenance of a running site on and off, and remember it for the next start."""

import os
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Final
from xmlrpc.client import Fault

from entrypoint.boot.decisions import environment
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.folders.artifacts import File
from entrypoint.boot.decisions.programs import programs
from entrypoint.boot.effects.checks.validation import validate_nginx
from entrypoint.boot.effects.disk import run_files
from entrypoint.boot.effects.processes.control_socket import proxy
from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.facts import maintenance as facts
from entrypoint.boot.facts.maintenance import Allowed
from entrypoint.boot.files import configuration, maintenance
from entrypoint.boot.files.template_values import TemplateValues
from entrypoint.boot.plan.check_steps import ValidateNginx
from entrypoint.boot.settings.programs.user_programs import NGINX
from entrypoint.boot.settings.sources import textfile
from entrypoint.errors import EntrypointError, NotAllowed, NotFound, Stopped, TimedOut, Unusable
from entrypoint.processes.children import children
from entrypoint.protocol import filenames

_PATIENCE: Final = 10.0  # seconds that supervisord has to answer, and nginx to read its configuration
_PAUSE: Final = 0.02  # seconds between two looks at nginx's workers


def switch(config: ResolvedConfig, allow: Allowed | None) -> str:
    """Begin a maintenance in which `allow` may use the site, or end it if `allow` is None; return what was done.

    Raises NotFound if nothing runs here, NotAllowed if another user runs it, Unusable if nginx cannot do that, TimedOut
    if supervisord does not answer, Stopped if a stop is requested meanwhile.
    """
    running = runs_in(config.run_dir)
    kept = facts.state_file(config.settings)
    if not running and kept is None:
        conf = config.run_dir / filenames.SUPERVISORD_CONF
        raise NotFound(f"cannot find {conf}: nothing was started here with these settings; set ENTRYPOINT_DATA_DIR")
    _check_nginx(config)
    files = _files(config, allow) if running and allow is not None else ()
    nginx = _Nginx(config.run_dir) if running else None
    if kept:
        _keep(config, kept, allow)
    if nginx:
        try:
            _apply(config, files, nginx)
        except EntrypointError as error:
            if isinstance(error, Stopped) and nginx.told:
                what = "ends" if allow is None else "begins"
                raise Stopped(error.number, f"the maintenance {what} when nginx has read its configuration") from error
            if allow is not None:
                _remove(config)
                if kept:
                    _keep(config, kept, None)
            raise
    when = "" if running else " at the next start"
    if allow is None:
        return f"maintenance is off{when}"
    others = f", except from {', '.join(map(str, allow))}" if allow else ""
    lasts = "" if kept else "; it ends with this container, because ENTRYPOINT_DATA_DIR is not set"
    return f"maintenance is on{when}: visitors get 503{others}{lasts}"


def runs_in(run_dir: PurePath) -> bool:
    """Return whether this user runs a site in this run directory. Raises NotAllowed if it is another user."""
    try:
        owner = os.stat(run_dir / filenames.SUPERVISORD_CONF).st_uid  # noqa: PTH116 -- Path.stat raises where the name is too long
    except OSError:
        return False
    if owner != os.geteuid():
        why = f"uid {owner} runs the site, and this is uid {os.geteuid()}; run the command as that user"
        raise NotAllowed(f"cannot change the maintenance mode: {why}")
    return True


def _check_nginx(config: ResolvedConfig) -> None:
    if not config.nginx:
        raise Unusable("cannot change the maintenance mode: no nginx serves the site here; set ENTRYPOINT_NGINX=on")
    if config.machine.nginx_conf is not None:
        raise Unusable(f"cannot change the maintenance mode: {config.own_nginx_conf} is used as it is")


def _files(config: ResolvedConfig, allow: Allowed) -> tuple[File, ...]:
    conf = config.run_dir / "nginx-app.conf"
    try:
        text = textfile.read(Path(conf))
    except ValueError as error:
        raise Unusable(f"cannot read {conf}: {error}") from error
    if f"/{filenames.MAINTENANCE.name[:-1]}" not in text:  # as nginx_optional writes it: ….con[f]
        raise Unusable(f"cannot change the maintenance mode: {conf} does not include its files; compare your template")
    own = f"location = /-/pages/{configuration.MAINTENANCE_STATUS}.html " in text
    return configuration.maintenance_files(config, allow, TemplateValues(config, starting=True), own=own)


def _apply(config: ResolvedConfig, files: tuple[File, ...], nginx: "_Nginx") -> None:
    """Write or remove nginx's files, and let nginx read them. nginx keeps its old configuration if it rejects them."""
    for file in files:
        run_files.write(file.path, file.text)
    if files:
        command = (*programs.nginx(config).in_roots_environment, "-t", "-q")
        surroundings = environment.of_process_1(config.settings, config.machine)
        validate_nginx(ValidateNginx(command, files[:2], surroundings), nginx.stops)
    else:
        _remove(config)
    nginx.reload()


def _remove(config: ResolvedConfig) -> None:
    for path in maintenance.paths(config):
        run_files.remove(path)


class _Nginx:
    """The nginx of a running site, which supervisord signals. Raises TimedOut if supervisord does not answer."""

    def __init__(self, run_dir: PurePath) -> None:
        self.stops = StopRequests()
        self.told = False  # whether nginx reads its configuration again, even if nobody waits for it
        self._supervisord = proxy(run_dir, _PATIENCE, self.stops).supervisor
        with _answers():
            process: Any = self._supervisord.getProcessInfo(NGINX)
        self._workers = children(process["pid"])

    def reload(self) -> None:
        """Let supervisord send nginx a HUP, and wait until no worker with the old configuration accepts requests.

        Raises TimedOut if supervisord does not answer or nginx keeps its old configuration, Stopped.
        """
        self.stops.check()
        self.told = True
        with _answers():
            self._supervisord.signalProcess(NGINX, "HUP")
        deadline = time.monotonic() + _PATIENCE
        while any(map(_accepts, self._workers)):
            if time.monotonic() > deadline:
                raise TimedOut(
                    f"cannot reload nginx: it has kept its old configuration for {_PATIENCE:g} s; see its log"
                )
            select.select([self.stops], [], [], _PAUSE)
            self.stops.check()


@contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException, Fault) as error:
        why = error.faultString if isinstance(error, Fault) else "supervisord does not answer"
        raise TimedOut(f"cannot reload nginx: {why}; run the command again when the site is ready") from error


def _accepts(worker: int) -> bool:
    """Return whether a worker accepts requests. If it only finishes those that it has, its title says so."""
    try:
        title = Path(f"/proc/{worker}/cmdline").read_bytes()
    except OSError:
        return False
    return bool(title) and b"shutting down" not in title


def _keep(config: ResolvedConfig, file: PurePosixPath, allow: Allowed | None) -> None:
    """Write or remove the file in ENTRYPOINT_DATA_DIR."""
    with config.machine.trust.acting(file.parent, config.machine.account):
        if allow is None:
            run_files.remove(file)
        else:
            run_files.write(file, facts.state(allow))
