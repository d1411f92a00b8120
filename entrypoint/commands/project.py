"""The command that writes files into a project."""

from pathlib import Path

import click

from entrypoint.boot.effects import signals
from entrypoint.commands import output
from entrypoint.output import log


@click.command(epilog="Examples: entrypoint init --kubernetes, or entrypoint init --from procfile")
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
    help="Write nothing; report line by line what replaces the existing files of this kind.",
)
def init(*, kubernetes: bool, base: str, check: bool, force: bool, source: str | None) -> int:
    """Write a Dockerfile, a compose file and more for this project.

    The files are Dockerfile, .dockerignore, compose.yaml and .env.example. Their content depends on the project's
    requirements, settings, Procfile and package.json. A comment explains each choice.
    """
    signals.release()
    from entrypoint.scaffold import project, translation, writing
    from entrypoint.scaffold.files import files

    folder = Path.cwd()
    if source:
        output.write("".join(f"{line}\n" for line in translation.report(folder, source)))
        return 0
    wanted = files(project.look_at(folder), kubernetes=kubernetes, base=base)
    if check:
        text = "".join(writing.differences(folder, wanted))
        output.write(text)
        return 1 if text else 0
    for name in writing.write(folder, wanted, force=force):
        log.tell(log.ENTRYPOINT, f"wrote {name}")
    return 0
