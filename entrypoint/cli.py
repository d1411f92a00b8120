"""The command line: one short function a command, and the only place that reads os.environ, prints and exits."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

import click

from entrypoint import log
from entrypoint.boot import signals
from entrypoint.boot.settings import Settings
from entrypoint.errors import EntrypointError, Stopped

_BUG: Final = 70  # EX_SOFTWARE
_INTERRUPTED: Final = 130


class _Commands(click.Group):
    """No word at all means `serve`, and a first word that is no command of ours is a program to run."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "--version")):
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            args = ["exec", "--", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["--help"]})
@click.version_option(package_name="entrypoint-toolkit", prog_name="entrypoint")
def commands() -> None:
    """Boot a Django site behind nginx under supervisord, steered by environment variables.

    Without a command: serve. A first word that is no command is run as a program in the application's environment,
    such as: entrypoint python manage.py shell
    """


@commands.command()
@click.option("--dry-run", is_flag=True, help="Print the steps and the files, and do nothing.")
def serve(*, dry_run: bool) -> None:
    """Prepare the application, then become supervisord in the foreground."""
    if dry_run:
        signals.release()
        _preview()
    else:
        _serve()


def _preview() -> None:
    from entrypoint.boot.boot import preview  # noqa: PLC0415 -- templates, and all that only a boot needs

    for file in preview(Settings.read(os.environ), _tell).files:
        click.echo(f"\n# ---- {file.path} ----\n{file.text}", nl=False)


def _serve() -> None:
    from entrypoint.boot.boot import serve  # noqa: PLC0415 -- as above

    try:
        serve(Settings.read(os.environ), _tell)
    except Stopped as stop:
        _tell(
            log.ENTRYPOINT, str(stop)
        )  # asked for, so no failure: a container that is stopped while it boots ends with 0


@commands.command()
@click.option("--only", multiple=True, metavar="STEP", help="Carry out this step alone; may be given again.")
@click.option("--skip", multiple=True, metavar="STEP", help="Leave this step out; may be given again.")
def prepare(*, only: tuple[str, ...], skip: tuple[str, ...]) -> None:
    """Carry out the steps before the exec: for an image's build, an init container, a release phase.

    Steps that --only and --skip know: programs, port, render, validate, wait, migrate, superuser, collectstatic.
    """
    from entrypoint.boot.boot import prepare as run  # noqa: PLC0415 -- as above

    run(Settings.read(os.environ), _tell, only=only, skip=skip)


@commands.command()
@click.argument("what", type=click.Choice(["ready", "live"]), default="ready")
def health(*, what: str) -> None:
    """Ask this container's nginx whether the site is ready, or alive: exit 0 or 1, and one line why."""
    signals.release()
    from entrypoint.control.health import probe  # noqa: PLC0415 -- as above

    listen = Settings.read(os.environ).listen_on(root=os.geteuid() == 0)
    healthy, why = probe(listen.host, listen.port, what)
    click.echo(why, err=not healthy)
    sys.exit(0 if healthy else 1)


@commands.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec(*, command: tuple[str, ...]) -> None:  # noqa: A001 -- the command's name
    """Run COMMAND as the application would run: its user, its environment, its folder. No boot steps."""
    signals.release()
    from entrypoint.boot.boot import run_command  # noqa: PLC0415 -- as above

    run_command(Settings.read(os.environ), command)


def _tell(name: str, text: str) -> None:
    sys.stderr.write(log.line(name, text) + "\n")


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code of README's table."""
    sys.exit(_exit_code(lambda: commands.main(argv, prog_name="entrypoint", standalone_mode=False)))


def _exit_code(action: Callable[[], object]) -> int:
    try:
        action()
    except EntrypointError as error:
        for text in error.lines():
            _tell(log.ENTRYPOINT, text)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _INTERRUPTED
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except Exception:  # noqa: BLE001 -- a bug of ours: the traceback is what its report needs
        traceback.print_exc()
        return _BUG
    return 0
