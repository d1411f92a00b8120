"""The choice of a command: `serve` without a word, `exec` for a first word that is not a command."""

import io
from collections.abc import Mapping
from typing import Final

import click

from entrypoint.output import log

Environ = Mapping[str, str]
IMPLICIT: Final = "entrypoint.implicit"
"""The key in click's `meta` of the first word if that is not a command; exec runs it as a program."""

_INTERRUPTED: Final = 130
_HELP: Final = ("-h", "--help")


class _Commands(click.Group):
    """Without arguments the command is `serve`. A first word that is not a command is a program to run."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        completes = ctx.resilient_parsing  # for shell completion, the words so far are all words
        if not completes and (not args or (args[0].startswith("-") and args[0] not in (*_HELP, "--version"))):
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            ctx.meta[IMPLICIT] = args[0]
            args = ["exec", "--", *args]
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the commands in the order of their registration, which is that of their use."""
        return list(self.commands)


@click.group(cls=_Commands, context_settings={"help_option_names": list(_HELP)})
@click.version_option(package_name="entrypoint-toolkit", prog_name="entrypoint")
def commands() -> None:
    """Run a Django site in a container: nginx and an application server, supervised by supervisord.

    Environment variables configure it; `entrypoint env` lists them. Without a command, entrypoint serves the site.
    `entrypoint --dry-run` shows how, and changes nothing.

    If the first word is not a command, entrypoint runs it as a program in the application's environment, for example:
    entrypoint python manage.py shell
    """


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
