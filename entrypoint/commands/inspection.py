"""The commands that show the settings or a container, and change nothing."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from entrypoint import serving
from entrypoint.boot.effects import signals
from entrypoint.commands import output
from entrypoint.commands.group import Environ
from entrypoint.output import log
from entrypoint.protocol import filenames

if TYPE_CHECKING:
    from entrypoint.boot.settings.settings import Settings

_CLEAR: Final = "\033[H\033[J"  # ECMA-48: to the upper left corner, and erase all that follows
_AGAIN: Final = 2.0  # seconds


@click.command(epilog="Examples: entrypoint env, or entrypoint env --format markdown")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "markdown", "json", "dotenv", "schema"]),
    default="table",
    help="table, json and dotenv show this environment; markdown and schema (JSON Schema) describe the settings.",
)
@click.pass_obj
def env(environ: Environ, *, form: str) -> None:
    """Show every setting: its value, source, meaning and default. Hide secrets.

    For a setting that is not set, show the effective value and where it comes from.
    """
    signals.release()
    from entrypoint.boot.settings import reference

    if form == "markdown":
        text = reference.markdown()
    elif form == "schema":
        text = reference.schema()
    else:
        from entrypoint.boot.run import derived

        settings = serving.read_settings(environ)
        values, unknown = derived(settings)
        for warning in (*settings.warnings, *unknown):
            log.tell(log.ENTRYPOINT, f"warning: {warning}", "warning")
        if form == "table":
            text = reference.table(settings, output.width(), values)
        else:
            text = (reference.as_json if form == "json" else reference.dotenv)(settings, values)
    output.write(text)


@click.command(epilog="Example: entrypoint status --watch")
@click.option("--watch", is_flag=True, help="Show it again every 2 s, until Ctrl-C.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="A table, or JSON.")
@click.pass_obj
def status(environ: Environ, *, watch: bool, form: str) -> None:
    """Show the container's programs: state, CPU, memory, restarts.

    It also shows what the container waits for, and the settings that are set. Any user in the container can run it,
    even while supervisord is stopping or hangs.
    """
    if watch and form == "json":
        raise click.UsageError("--watch and --format json exclude each other.")
    signals.release()
    from entrypoint.boot.settings import reference
    from entrypoint.control import status as control
    from entrypoint.control.status_table import table

    settings = serving.read_settings(environ)
    folder = running_in(settings)
    given = [
        control.Setting(row.spec.name, row.value or "", row.origin) for row in reference.rows(settings) if row.origin
    ]
    while True:
        found = control.read(folder, given)
        if form == "json":
            output.write(control.as_json(found))
            return
        text = output.cut(table(found), output.width())
        output.write(f"{_CLEAR}{text}" if watch and sys.stdout.isatty() else text)
        if not watch:
            return
        time.sleep(_AGAIN)


@click.command(epilog="Examples: docker run --rm my-site doctor, or entrypoint doctor --format json")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Text, or JSON.")
@click.pass_obj
def doctor(environ: Environ, *, form: str) -> int:
    """Say what is wrong in this container, and how to fix it.

    Run it as the container's user, in the running container, or in a new one if that does not start: docker run IMAGE
    doctor. It writes nothing, and needs no database. The exit code is 1 if anything is wrong.
    """
    from entrypoint.boot import diagnosis

    examined = diagnosis.Diagnosis()
    examined.examine(environ)
    output.write((diagnosis.as_json if form == "json" else diagnosis.as_text)(examined.findings))
    return int(any(finding.wrong for finding in examined.findings))


@click.command(epilog="Examples: entrypoint health, or entrypoint health live")
@click.argument("what", type=click.Choice(["ready", "live"]), default="ready")
@click.pass_obj
def health(environ: Environ, *, what: str) -> int:
    """Check whether this container's site is ready, or alive. Exit 0 or 1 and print one line that says why.

    The command asks nginx. Without nginx, or with your own complete nginx.conf, "ready" is what supervisord reports,
    and "live" means that PORT answers. Without a site, "live" means that supervisord answers.
    """
    signals.release()
    from entrypoint.control import place
    from entrypoint.control.health import check, probe

    settings = serving.read_settings(environ)
    root = place.of_root(os.geteuid())
    listen = settings.listen_on(root=root)
    if folder := _without_nginx(settings):
        supervisord = str(folder / filenames.CONTROL_SOCKET)
        healthy, why = check((listen.host, listen.port) if settings.serves else supervisord, folder, what)
    else:
        plain = settings.redirect_on(root=root)  # this port serves the health endpoints too, without TLS
        listen = plain or listen
        healthy, why = probe(listen.host, listen.port, what, tls=settings.tls and not plain)
    (output.write if healthy else log.write)(f"{log.printable(why)}\n")  # any program may have answered
    return 0 if healthy else 1


def _without_nginx(settings: "Settings") -> Path | None:
    """Return the run directory, whose files show the health. Return None if nginx serves the health endpoints."""
    if settings.behind_nginx and not settings.conf_dir and not settings.tiangolo:
        return None
    from entrypoint.boot.facts.machine import read_machine

    if settings.behind_nginx and read_machine(settings).nginx_conf is None:
        return None
    return running_in(settings)


def running_in(settings: "Settings") -> Path:
    """Return the run directory of this container's site, also for another user than the one who has booted it."""
    from entrypoint.boot.decisions.folders.run_dir import USUAL_RUN_DIR, run_dir
    from entrypoint.boot.facts.machine import read_machine
    from entrypoint.control import place

    if settings.run_dir:
        return Path(settings.run_dir)
    return place.run_dir(Path(run_dir(settings, read_machine(settings))), Path(USUAL_RUN_DIR))


@click.command(epilog="Examples: entrypoint boot, or entrypoint boot --format svg > boot.svg")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "svg"]),
    default="table",
    help="A table, JSON, or an SVG picture.",
)
@click.pass_obj
def boot(environ: Environ, *, form: str) -> None:
    """Show how long each step of the last boot took."""
    signals.release()
    from entrypoint.control import picture, timeline

    folder = running_in(serving.read_settings(environ))
    recorded = timeline.read(folder / filenames.TIMELINE, folder / filenames.FIRST_READY)
    if form == "table":
        text = output.cut(timeline.table(recorded), output.width())
    else:
        text = timeline.as_json(recorded) if form == "json" else picture.timeline_svg(recorded)
    output.write(text)
