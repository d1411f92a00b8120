"""Record what commands show in a terminal, of a real container; draws docs/images/terminal-….svg.

Needs a Docker Engine, and rich in this environment: pip install --group pictures
"""

import argparse
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from containers import IMAGES, PYTHON_IMAGE, ROOT, build, docker, inspect, last_words, new_name
from rich.console import Console
from rich.text import Text
from table import Failed

PICTURES = ROOT / "docs" / "images"
COLUMNS = 116
PATIENCE = 60.0  # seconds, until the container shows what is to be recorded
INTERVAL = 0.1
OURS = next(image for image in IMAGES if image.peer is None)

# As rich's own frame, but no font is loaded from a server.
FRAME = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
WORKER = "sh -c 'echo cannot reach the broker; exit 22'"
SECRET = {"SECRET_KEY": "of-the-pictures-alone-and-of-no-site-that-anyone-visits"}
SUPERUSER = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD": "correct-horse"}
RESTARTS = 3  # of the worker, before its status is shown


def variables(environment: dict[str, str]) -> list[str]:
    """Return the options of `docker run`."""
    return [f"--env={name}={value}" for name, value in environment.items()]


@contextmanager
def site() -> Iterator[str]:
    """Run a container whose worker fails; yield its name when the site is ready and the worker waits for a restart."""
    name = new_name("recorded")
    settings = {**SECRET, **SUPERUSER, "ENTRYPOINT_PROGRAM_WORKER": WORKER}
    try:
        docker("run", "--detach", f"--name={name}", *variables(settings), OURS.tag, purpose=f"run {OURS.tag}")
        end = time.monotonic() + PATIENCE
        while not ready(name):
            if inspect(name, "{{.State.Running}}") != "true":
                raise Failed(f"cannot record the status: the container has ended\n{last_words(name)}")
            if time.monotonic() > end:
                raise Failed("cannot record the status: the site is not ready, or its worker has not failed")
            time.sleep(INTERVAL)
        yield name
    finally:
        docker("rm", "--force", "--volumes", name, purpose=f"remove the container {name}")


def ready(name: str) -> bool:
    """Return whether the site is ready, and its worker waits for another restart."""
    inside = "entrypoint status --format json || echo null"
    status = json.loads(docker("exec", name, "sh", "-c", inside, purpose="ask for the status"))
    if status is None or not status["ready"]:
        return False
    return any(
        row["program"] == "worker" and row["restarts"] >= RESTARTS and not row["pid"] for row in status["programs"]
    )


def seen(words: str, *arguments: str, lines: int | None = None) -> str:
    """Run docker with a terminal; return the prompt with `words`, and the first lines that the terminal shows."""
    command = ["docker", arguments[0], "--tty", f"--env=COLUMNS={COLUMNS}", "--env=TERM=xterm-256color", *arguments[1:]]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise Failed(f"cannot record {words}: {done.stderr.strip() or 'it shows nothing'}")
    shown = done.stdout.replace("\r\n", "\n").splitlines()
    rest = ["…"] if lines is not None and len(shown) > lines else []
    return "\n".join([f"\x1b[1m$ {words}\x1b[0m", *shown[:lines], *rest])


def draw(name: str, text: str, folder: Path) -> None:
    """Write the picture of a terminal."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(text), no_wrap=True, overflow="ellipsis", crop=True)
    picture = console.export_svg(title=f"entrypoint {name}", code_format=FRAME, unique_id=f"terminal-{name}")
    file = folder / f"terminal-{name}.svg"
    file.write_text(picture, encoding="utf-8")
    print(file)


def recordings() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each picture."""
    with site() as name:
        yield "status", seen("docker exec site entrypoint status", "exec", name, "entrypoint", "status")
        yield "boot", seen("docker exec site entrypoint boot", "exec", name, "entrypoint", "boot")
    settings = {**SECRET, "DATA_DIR": "/data", "DJANGO_DEBUG": "yes"}
    options = ["--rm", "--user=12345", "--read-only", "--volume=/data", *variables(settings)]
    given = "-v data:/data -e DATA_DIR=/data -e DJANGO_DEBUG=yes"
    words = f"docker run --rm --user 12345 --read-only {given} my-site doctor"
    yield "doctor", seen(words, "run", *options, OURS.tag, "doctor")
    words = "docker run --rm -e SUPERUSER_USERNAME=admin -e SUPERUSER_PASSWORD=… my-site --dry-run"
    yield "dry-run", seen(words, "run", "--rm", *variables({**SECRET, **SUPERUSER}), OURS.tag, "--dry-run", lines=40)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python-image", default=PYTHON_IMAGE, help="the base image (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=PICTURES, help="the folder of the pictures (default: %(default)s)")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        build(OURS, given.python_image)
        for name, text in recordings():
            draw(name, text, given.out)
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
