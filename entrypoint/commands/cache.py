"""The command that removes responses from nginx's cache."""

from pathlib import Path

import click

from entrypoint import serving
from entrypoint.boot.effects import signals
from entrypoint.commands.group import Environ
from entrypoint.output import log
from entrypoint.protocol import filenames


@click.group(epilog="Example: entrypoint cache purge /news/")
def cache() -> None:
    """Manage nginx's cache of responses (NGINX_CACHE)."""


@cache.command(epilog="Examples: entrypoint cache purge /news/, or entrypoint cache purge '/news/*'")
@click.argument("path", required=False)
@click.pass_obj
def purge(environ: Environ, *, path: str | None) -> None:
    """Remove a page from the cache, or everything if PATH is omitted.

    /news/ means the page with every query, /news/?page=2 only with this one, and '/news/*' every page below it. A page
    is removed for all hosts of the site, in all its variants (Vary).
    """
    if path is not None and not path.startswith("/"):
        raise click.UsageError("PATH begins with /, for example /news/ or '/news/*'.")
    signals.release()
    from entrypoint.commands.inspection import running_in
    from entrypoint.control import response_cache

    settings = serving.read(environ)
    number = response_cache.purge(Path(running_in(settings) / filenames.CACHE), path)
    what = "response" if number == 1 else "responses"
    log.tell(log.ENTRYPOINT, f"removed {number} {what} from the cache")
