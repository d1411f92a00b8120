"""Watch a boot in a browser: the starting page during slow migrations, then the site; draws docs/images/starting-….png.

Needs Chromium, and playwright in this environment: pip install playwright
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright
from playwright.sync_api import TimeoutError as TimedOut

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
COMMAND = Path(sys.executable).parent / "entrypoint"
MIGRATIONS = 10  # of a second each, besides those of the example
PATIENCE = 60.0
# For machines without a network, and for root, as whom Chromium has no sandbox.
OPTIONS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]
MIGRATION = """
import time
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [
        ("pages", "{before}"),
        ("sessions", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]
    operations = [migrations.RunPython(lambda apps, editor: time.sleep(1))]
"""


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Boot the example with slow migrations; yield its URL at once, and stop it at the end."""
    project = Path(shutil.copytree(ROOT / "examples" / "django", folder / "project"))
    before = "0001_initial"
    for number in range(2, 2 + MIGRATIONS):
        name = f"{number:04}_slow"
        (project / "pages" / "migrations" / f"{name}.py").write_text(MIGRATION.format(before=before), encoding="utf-8")
        before = name
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "PORT": f"127.0.0.1:{port}",
        "ENTRYPOINT_USER": str(os.geteuid()),
        "ENTRYPOINT_RUN_DIR": str(folder / "run"),
        "DATA_DIR": str(folder / "data"),
        "STATIC_ROOT": str(folder / "static"),
        "SECRET_KEY": "of-this-page-alone",
    }
    (folder / "data").mkdir()
    with (
        (folder / "output").open("wb") as output,
        subprocess.Popen([COMMAND], cwd=project, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            wait_for(port, process)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when nginx accepts connections."""
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    sys.exit("cannot reach the site: it did not start")


def watch(browser: Browser, url: str, images: Path) -> bool:
    """Watch the page reload itself until it shows the site; return whether it was correct all the time."""
    page = browser.new_page(viewport={"width": 800, "height": 450}, color_scheme="light")
    seen: list[tuple[str, int]] = []
    said: list[str] = []

    def answered(response: Response) -> None:
        seen.append((response.url, response.status))

    def spoke(message: ConsoleMessage) -> None:
        said.append(f"{message.type}: {message.text}")

    page.on("response", answered)
    page.on("console", spoke)
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    page.goto(url)
    phases = list(follow(page, images))
    print(f"phases shown: {', '.join(phases)}")
    page.wait_for_load_state("networkidle")
    photograph(page, images, "site")
    waiting = [status for at, status in seen if (at, status) == (url, 503)]
    rest = [each for each in seen if each not in {(url, 503), (url, 200)}]
    print(f"the page was answered {len(waiting)} times by 503, then by 200; all else: {rest}")
    print("the console said:", *sorted(set(said)), sep="\n  ")
    failed = [line for line in said if line.startswith("failed")]
    return len(set(phases)) > 1 and not failed and all(status == HTTPStatus.OK for _, status in rest)


def follow(page: Page, images: Path) -> Iterator[str]:
    """Yield each phase that the page shows, read when the page has loaded, until it shows none."""
    end = time.monotonic() + PATIENCE
    while (phase := page.evaluate("document.querySelector('.phase')?.textContent.trim()")) is not None:
        yield phase
        if phase.startswith("migrating 24/"):
            photograph(page, images, "page")
        if time.monotonic() > end:
            sys.exit("cannot see the site: the starting page is still there")
        with suppress(TimedOut):  # the page may have loaded while the pictures were taken
            page.wait_for_event("load", timeout=3000)


def photograph(page: Page, images: Path, what: str) -> None:
    """Write two pictures of the page, light and dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.screenshot(path=images / f"starting-{what}-{scheme}.png", animations="disabled")
    page.emulate_media(color_scheme="light")


def main() -> int:
    """Return the exit code: 0 if the page was correct all the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=IMAGES, help="the folder of the pictures (default: %(default)s)")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=OPTIONS)
        try:
            return 0 if watch(browser, url, given.out) else 1
        finally:
            browser.close()


if __name__ == "__main__":
    sys.exit(main())
