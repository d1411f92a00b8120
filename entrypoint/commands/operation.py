"""The commands that boot, or that carry out a part of a boot, and those that run another program."""

from pathlib import PurePosixPath

import click

from entrypoint import serving
from entrypoint.boot.effects import signals
from entrypoint.commands import output
from entrypoint.commands.group import IMPLICIT, Environ, commands
from entrypoint.errors import NotFound, NotRunnable
from entrypoint.output import log


@click.command(epilog="Examples: entrypoint, or entrypoint --dry-run --diff")
@click.option("--dry-run", is_flag=True, help="Print the steps and the files; change nothing.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), help="The format of a dry run's output.")
@click.option("--diff", is_flag=True, help="Print how a dry run's files differ from those on disk.")
@click.pass_obj
def serve(environ: Environ, *, dry_run: bool, form: str | None, diff: bool) -> int:
    """Serve the site: prepare the application, run supervisord. This is the default command.

    supervisord replaces this process and stays in the foreground.
    """
    if not dry_run and (form or diff):
        raise click.UsageError("--format and --diff need --dry-run.")
    if form == "json" and diff:
        raise click.UsageError("--diff and --format json exclude each other.")
    if not dry_run:
        return serving.serve(environ)
    signals.release()
    from entrypoint.boot.effects import printout
    from entrypoint.boot.run import preview

    settings = serving.read_settings(environ)
    plan = preview(settings, log.tell)
    if diff:
        text = printout.difference(plan.files)
    else:
        text = printout.as_json(plan, settings) if form == "json" else printout.as_text(plan, settings)
    output.write(text)
    return 0


@click.command(epilog="Example: entrypoint prepare --only collectstatic")
@click.option("--only", multiple=True, metavar="STEP", help="Run only this step. Repeatable.")
@click.option("--skip", multiple=True, metavar="STEP", help="Skip this step. Repeatable.")
@click.pass_obj
def prepare(environ: Environ, *, only: tuple[str, ...], skip: tuple[str, ...]) -> None:
    """Run the steps of a boot without starting supervisord.

    Use it in an image build, an init container or a release phase.

    --only and --skip accept these steps: programs, port, tls, passwords, logs, cache, render, owner, validate, wait,
    migrate, superuser, collectstatic, pages, release, hooks. --only compress compresses static files.
    """
    from entrypoint.boot.run import prepare as boot

    boot(serving.read(environ), log.tell, only=only, skip=skip)


@click.command(epilog="Example: entrypoint render --out /tmp/conf")
@click.option("--out", metavar="DIR", help="Write copies into DIR instead of the run directory.")
@click.pass_obj
def render(environ: Environ, *, out: str | None) -> None:
    """Write the configuration files, and do nothing else."""
    from entrypoint.boot.run import render as boot

    boot(serving.read(environ), log.tell, PurePosixPath(out) if out else None)


@click.command(epilog="Examples: entrypoint reload, or entrypoint reload worker")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.pass_obj
def reload(environ: Environ, *, names: tuple[str, ...]) -> None:
    """Read the settings, files and code again without a restart.

    Behind nginx, no request is lost. The command validates everything first, and changes nothing if there is a problem.
    nginx reads its files, a new process of the application server replaces the old one, and programs whose
    configuration has changed are restarted.

    NAME is a program to reload or restart even if nothing has changed. All others are then reloaded or restarted only
    if their configuration has changed. The signal HUP to process 1 does the same as this command without NAME.
    """
    signals.release()
    from entrypoint.boot.reload import reload as boot
    from entrypoint.commands.inspection import running_in

    boot(running_in(serving.read_settings(environ)), names, log.tell)


@click.command(epilog="Examples: entrypoint check, or entrypoint check --manifest compose.yaml")
@click.option(
    "--manifest",
    multiple=True,
    metavar="FILE",
    help="Check this Compose, Swarm or Kubernetes file instead; - is stdin. Repeatable: all files form one manifest.",
)
@click.pass_obj
def check(environ: Environ, *, manifest: tuple[str, ...]) -> None:
    """Check the settings and files without serving. Leave no files behind.

    It needs no database and no free port. It checks the environment, the templates, nginx -t, supervisord's parser and
    manage.py check --deploy, and prints all problems at once.

    --manifest checks how Compose, Swarm or Kubernetes runs the image: stop times, ports, probes, migrations, settings.
    """
    if manifest:
        signals.release()
        from entrypoint.boot.manifest.check import check as of_manifest

        of_manifest(manifest, environ, log.tell)
        return
    from entrypoint.boot.run import check as boot

    boot(serving.read(environ), log.tell)


@click.command(epilog="Example: entrypoint repair shop.0007_prices --applied")
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
    from entrypoint.boot.run import repair as boot

    log.tell(log.ENTRYPOINT, boot(serving.read(environ), log.tell, migration, database, applied=applied))


@click.command(
    epilog="Example: entrypoint exec -- python manage.py shell",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec(environ: Environ, *, command: tuple[str, ...]) -> None:  # noqa: A001 -- the command's name
    """Run a command as the application's user, in its environment.

    COMMAND runs in the application's folder, without the steps of a boot, but with the variables of the hooks that a
    boot sources (NAME.envsh). The word exec can be omitted: entrypoint python manage.py shell
    """
    signals.release()
    from entrypoint.boot.exec import run_command
    from entrypoint.boot.settings.types.values import nearest

    try:
        run_command(serving.read(environ), log.tell, command)
    except (NotFound, NotRunnable) as error:
        word = click.get_current_context().meta.get(IMPLICIT)
        raise type(error)(f"{error}{nearest(word, commands.commands) if word else ''}") from error


@click.command(epilog="Example: entrypoint maintenance on --allow 10.0.0.0/8")
@click.argument("what", type=click.Choice(["on", "off"]))
@click.option("--allow", multiple=True, metavar="CIDR", help="Clients that may still use the site. Repeatable.")
@click.pass_obj
def maintenance(environ: Environ, *, what: str, allow: tuple[str, ...]) -> None:
    """Turn maintenance on or off: visitors get a page with 503.

    The health endpoints do not change. Maintenance survives restarts and, with ENTRYPOINT_DATA_DIR, also the
    container. Run the command as the user that runs the container.
    """
    if what == "off" and allow:
        raise click.UsageError("--allow works only with maintenance on.")
    from entrypoint.boot.run import switch_maintenance
    from entrypoint.commands.inspection import running_in

    settings = serving.read_settings(environ)
    done = switch_maintenance(settings, running_in(settings), allow if what == "on" else None)
    log.tell(log.ENTRYPOINT, done)


@click.command(
    epilog="Examples: entrypoint ctl restart worker, or entrypoint ctl tail -f worker",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def ctl(environ: Environ, *, words: tuple[str, ...]) -> None:
    """Run supervisorctl for this container.

    WORDS are a supervisorctl command.
    """
    signals.release()
    from entrypoint.boot.exec import control
    from entrypoint.commands.inspection import running_in

    settings = serving.read_settings(environ)
    control(settings, running_in(settings), words)
