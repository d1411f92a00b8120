"""The commands and their options, one short function each."""

import errno
import io
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import click

from entrypoint import log, serving
from entrypoint.boot.effects import signals
from entrypoint.errors import NotFound, NotRunnable, StepFailed

if TYPE_CHECKING:
    from entrypoint.boot.settings.settings import Settings

Environ = Mapping[str, str]
_INTERRUPTED: Final = 130
_HELP: Final = ("-h", "--help")
_IMPLICIT: Final = "entrypoint.implicit"  # in click's meta: the word that is no command, which exec runs as a program


class _Commands(click.Group):
    """Without arguments the command is `serve`. A first word that is not a command is a program to run."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in (*_HELP, "--version")):
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            ctx.meta[_IMPLICIT] = args[0]
            args = ["exec", "--", *args]
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the commands in the order of this file, which is that of their use."""
        return list(self.commands)


def obey(words: list[str], environ: Environ) -> int:
    """Run the command that the command line names; return its exit code. Raises an EntrypointError."""
    try:
        code: int | None = commands.main(words, prog_name="entrypoint", standalone_mode=False, obj=environ)
    except click.ClickException as error:
        message = io.StringIO()
        error.show(message)
        log.write(message.getvalue())
        return error.exit_code
    except click.Abort:
        return _INTERRUPTED
    return code or 0


def _print(text: str) -> None:
    """Print to stdout. A reader that closed the pipe, such as `head`, is no error. Raises StepFailed for others."""
    try:
        click.echo(text, nl=False)
    except OSError as error:
        # At exit Python writes its buffer again: https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if error.errno != errno.EPIPE:
            raise StepFailed(f"cannot write to stdout: {error.strerror}", 1) from error


def _report(why: str, *, healthy: bool) -> None:
    (_print if healthy else log.write)(f"{why}\n")


def _read(environ: Environ) -> "Settings":
    from entrypoint.boot.settings.settings import Settings  # noqa: PLC0415 -- 40 ms that `--help` does not need

    return Settings.read(environ)


@click.group(cls=_Commands, context_settings={"help_option_names": list(_HELP)})
@click.version_option(package_name="entrypoint-toolkit", prog_name="entrypoint")
def commands() -> None:
    """Run a Django site in a container: nginx and an application server, supervised by supervisord.

    Environment variables configure it; `entrypoint env` lists them. Without a command, entrypoint serves the site.
    `entrypoint --dry-run` shows how, and changes nothing.

    If the first word is not a command, entrypoint runs it as a program in the application's environment, for example:
    entrypoint python manage.py shell
    """


@commands.command()
@click.option("--dry-run", is_flag=True, help="Print the steps and the files; change nothing.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), help="The format of a dry run's output.")
@click.option("--diff", is_flag=True, help="Print how a dry run's files differ from those on disk.")
@click.pass_obj
def serve(environ: Environ, *, dry_run: bool, form: str | None, diff: bool) -> int:
    """Serve the site: prepare the application, then run supervisord. This is the default command.

    supervisord replaces this process and stays in the foreground.
    """
    if not dry_run and (form or diff):
        raise click.UsageError("--format and --diff need --dry-run.")
    if form == "json" and diff:
        raise click.UsageError("--diff and --format json exclude each other.")
    if not dry_run:
        return serving.serve(environ)
    signals.release()
    from entrypoint.boot.effects import printout  # noqa: PLC0415 -- only some commands need it
    from entrypoint.boot.run import preview  # noqa: PLC0415 -- as above

    settings = _read(environ)
    plan = preview(settings, log.tell)
    if diff:
        text = printout.as_difference(plan)
    else:
        text = printout.as_json(plan, settings) if form == "json" else printout.as_text(plan, settings)
    _print(text)
    return 0


@commands.command()
@click.option("--only", multiple=True, metavar="STEP", help="Run only this step. Repeatable.")
@click.option("--skip", multiple=True, metavar="STEP", help="Skip this step. Repeatable.")
@click.pass_obj
def prepare(environ: Environ, *, only: tuple[str, ...], skip: tuple[str, ...]) -> None:
    """Run the steps of a boot without starting supervisord.

    Use it in an image build, an init container or a release phase, for example: entrypoint prepare --only collectstatic

    --only and --skip accept these steps: programs, port, tls, logs, render, validate, wait, migrate, superuser,
    collectstatic, release, hooks.
    """
    from entrypoint.boot.run import prepare as boot  # noqa: PLC0415 -- as above

    boot(serving.read(environ), log.tell, only=only, skip=skip)


@commands.command()
@click.option("--out", metavar="DIR", help="Write copies into DIR instead of the run directory.")
@click.pass_obj
def render(environ: Environ, *, out: str | None) -> None:
    """Write the configuration files, and do nothing else."""
    from entrypoint.boot.run import render as boot  # noqa: PLC0415 -- as above

    boot(serving.read(environ), log.tell, PurePosixPath(out) if out else None)


@commands.command()
@click.pass_obj
def check(environ: Environ) -> None:
    """Check the settings and files without serving. Leave no files behind.

    It needs no database and no free port. It checks the environment, the templates, nginx -t, supervisord's parser and
    manage.py check --deploy, and prints all problems at once.
    """
    from entrypoint.boot.run import check as boot  # noqa: PLC0415 -- as above

    boot(serving.read(environ), log.tell)


@commands.command()
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

    A setting that is not set has the value that is in force here, and what it follows from.
    """
    signals.release()
    from entrypoint.boot.settings import reference  # noqa: PLC0415 -- as above

    if form == "markdown":
        text = reference.markdown()
    elif form == "schema":
        text = reference.schema()
    else:
        from entrypoint.boot.run import derived  # noqa: PLC0415 -- as above

        settings = _read(environ)
        values, unknown = derived(settings)
        for warning in (*settings.warnings, *unknown):
            log.tell(log.ENTRYPOINT, f"warning: {warning}", "warning")
        if form == "table":
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            text = reference.table(settings, width, values)
        else:
            text = (reference.as_json if form == "json" else reference.dotenv)(settings, values)
    _print(text)


@commands.command()
@click.argument("what", type=click.Choice(["ready", "live"]), default="ready")
@click.pass_obj
def health(environ: Environ, *, what: str) -> int:
    """Check whether this container's site is ready, or alive. Exit 0 or 1 and print one line that says why.

    The command asks nginx. Without nginx, or with a complete nginx.conf of your own, "ready" is what supervisord
    reports, and "live" means that PORT answers. Without a site, "live" means that supervisord answers.
    """
    signals.release()
    from entrypoint.boot.trust.accounts import is_root  # noqa: PLC0415 -- as above
    from entrypoint.control.health import check, probe  # noqa: PLC0415 -- as above

    settings = _read(environ)
    if file := _ready_file(settings):
        listen = settings.listen_on(root=is_root())
        supervisord = str(file.parent.parent / "supervisor.sock")
        healthy, why = check((listen.host, listen.port) if settings.serves else supervisord, file, what)
        _report(why, healthy=healthy)
        return 0 if healthy else 1
    plain = settings.redirect_on(root=is_root())  # this port serves the health endpoints too, without TLS
    listen = plain or settings.listen_on(root=is_root())
    healthy, why = probe(listen.host, listen.port, what, tls=settings.tls and not plain)
    _report(why, healthy=healthy)
    return 0 if healthy else 1


def _ready_file(settings: "Settings") -> Path | None:
    """Return the file that exists while the site is ready. Return None where nginx serves this file."""
    if settings.behind_nginx and not settings.conf_dir and not settings.tiangolo:
        return None
    from entrypoint.boot.decisions.config import READY_FILE, run_dir  # noqa: PLC0415 -- as above
    from entrypoint.boot.facts.machine import read_machine  # noqa: PLC0415 -- as above

    machine = read_machine(settings)
    if settings.behind_nginx and machine.nginx_conf is None:
        return None
    return Path(run_dir(settings, machine) / READY_FILE)


@commands.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "svg"]),
    default="table",
    help="A table, JSON, or a picture.",
)
@click.pass_obj
def boot(environ: Environ, *, form: str) -> None:
    """Show how long each step of the last boot took."""
    signals.release()
    from entrypoint.boot.decisions.config import FIRST_READY_FILE, TIMELINE_FILE, run_dir  # noqa: PLC0415 -- as above
    from entrypoint.boot.facts.machine import read_machine  # noqa: PLC0415 -- as above
    from entrypoint.control import picture, timeline  # noqa: PLC0415 -- as above

    settings = _read(environ)
    folder = run_dir(settings, read_machine(settings))
    recorded = timeline.read(Path(folder / TIMELINE_FILE), Path(folder / FIRST_READY_FILE))
    if form == "table":
        text = timeline.table(recorded, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
    else:
        text = timeline.as_json(recorded) if form == "json" else picture.timeline_svg(recorded)
    _print(text)


@commands.command()
@click.argument("migration", metavar="APP.MIGRATION")
@click.option(
    "--applied/--unapplied", default=None, help="Whether the database now has all changes of the migration, or none."
)
@click.option("--database", default="default", metavar="ALIAS", help="The database's alias in DATABASES.")
@click.pass_obj
def repair(environ: Environ, *, migration: str, applied: bool | None, database: str) -> None:
    """Record that you repaired an interrupted migration by hand.

    MySQL and MariaDB cannot roll back a migration that was killed or failed half-way. After that, the boot refuses to
    start. Either finish the migration by hand and record it with --applied, or undo it and record it with --unapplied.
    This command changes only the record.
    """
    if applied is None:
        raise click.UsageError("Give --applied or --unapplied.")
    from entrypoint.boot.run import repair as boot  # noqa: PLC0415 -- as above

    log.tell(log.ENTRYPOINT, boot(serving.read(environ), log.tell, migration, database, applied=applied))


@commands.command()
@click.option("--kubernetes", is_flag=True, help="Also write the manifests for Kubernetes, in kubernetes/.")
@click.option(
    "--base", default="entrypoint-base", show_default=True, help="The image that the Dockerfile inherits from."
)
@click.option("--check", is_flag=True, help="Write nothing; print the differences, and exit 1 if there are any.")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@click.option(
    "--from",
    "source",
    type=click.Choice(["tiangolo", "supervisor", "procfile", "gunicorn"]),
    help="Write nothing; report what the existing files of this kind become, line by line.",
)
def init(*, kubernetes: bool, base: str, check: bool, force: bool, source: str | None) -> int:
    """Write a Dockerfile, a compose file and more for this project.

    The files are Dockerfile, .dockerignore, compose.yaml and .env.example. They follow from the project's own files:
    its requirements, settings, Procfile and package.json. A comment explains each choice.
    """
    signals.release()
    from entrypoint.scaffold import project, translation, writing  # noqa: PLC0415 -- as above
    from entrypoint.scaffold.files import files  # noqa: PLC0415 -- as above

    folder = Path.cwd()
    if source:
        _print("".join(f"{line}\n" for line in translation.report(folder, source)))
        return 0
    wanted = files(project.look_at(folder), kubernetes=kubernetes, base=base)
    if check:
        text = "".join(writing.differences(folder, wanted))
        _print(text)
        return 1 if text else 0
    for name in writing.write(folder, wanted, force=force):
        log.tell(log.ENTRYPOINT, f"wrote {name}")
    return 0


@commands.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec(environ: Environ, *, command: tuple[str, ...]) -> None:  # noqa: A001 -- the command's name
    """Run a command as the application's user, in its environment.

    COMMAND runs in the application's folder, without the steps of a boot, but with the variables of the hooks that a
    boot sources (NAME.envsh). The word exec can be omitted: entrypoint python manage.py shell
    """
    signals.release()
    from entrypoint.boot.run import run_command  # noqa: PLC0415 -- as above
    from entrypoint.boot.settings.values import nearest  # noqa: PLC0415 -- as above

    try:
        run_command(serving.read(environ), log.tell, command)
    except (NotFound, NotRunnable) as error:
        word = click.get_current_context().meta.get(_IMPLICIT)
        raise type(error)(f"{error}{nearest(word, commands.commands) if word else ''}") from error


@commands.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def ctl(environ: Environ, *, words: tuple[str, ...]) -> None:
    """Run supervisorctl for this container.

    WORDS are a command of supervisorctl, for example: entrypoint ctl status, or entrypoint ctl restart worker
    """
    signals.release()
    from entrypoint.boot.run import control  # noqa: PLC0415 -- as above

    control(_read(environ), words)
