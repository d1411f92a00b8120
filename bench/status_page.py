"""Use the status page of a site in a browser; draws docs/images/status-page-….png.

Needs a Docker Engine, Chromium, and playwright in this environment: pip install playwright
"""

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

from containers import ENVIRONMENT, IMAGES, PYTHON_IMAGE, build, first_200, free_ports, running
from playwright.sync_api import Browser, Error, Page, sync_playwright
from screenshots import IMAGES as PICTURES
from screenshots import OPTIONS

OURS = next(image for image in IMAGES if image.peer is None)
PASSWORD = "correct-horse-battery"
REQUESTS = 40  # between two looks of the page, so that it has something to draw
LOOKS = 20

FORGED = """
async (url) => {
  const forged = [{ headers: { "X-Entrypoint-Program": "worker" } }, { mode: "no-cors" }];
  const send = (each) => fetch(url, { method: "POST", credentials: "include", ...each });
  return Promise.all(forged.map((each) => send(each).then((answer) => answer.type + answer.status, () => "refused")));
}
"""


@contextmanager
def site(python_image: str) -> Iterator[str]:
    """Run the example with a status page in a container; yield its URL once it is ready."""
    build(OURS, python_image)
    [port] = free_ports()
    settings = {
        **ENVIRONMENT,
        "ENTRYPOINT_STATUS_PAGE": "on",
        "ENTRYPOINT_STATUS_PASSWORD": PASSWORD,
        "ENTRYPOINT_PROGRAM_WORKER": "sleep 1000",
    }
    variables = [f"--env={name}={text}" for name, text in settings.items()]
    began = time.perf_counter()
    with running(OURS, [f"--publish=127.0.0.1:{port}:80", *variables]) as name:
        first_200(name, port, began)
        yield f"http://127.0.0.1:{port}"


def check(claim: str, *, true: bool) -> None:
    """Print the claim, and end if it does not hold."""
    print(f"{'seen' if true else 'NOT SEEN'}: {claim}")
    if not true:
        sys.exit(1)


def row(page: Page, program: str) -> str:
    """Return the text of a program's row."""
    return str(page.locator("#programs tr", has_text=program).first.inner_text())


def use(browser: Browser, url: str, images: Path) -> None:
    """Load the page with and without the password, restart a program, and try it from another site."""
    refused = browser.new_context().new_page()
    with suppress(Error):  # Chromium shows no page without credentials
        refused.goto(f"{url}/-/")
    check("nothing without the password", true=refused.locator("#programs").count() == 0)

    context = browser.new_context(
        http_credentials={"username": "admin", "password": PASSWORD}, viewport={"width": 1100, "height": 1000}
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{url}/-/")
    page.wait_for_selector("#programs tr")
    check("it says that the site is ready", true=page.locator("#ready").inner_text() == "Ready")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for _ in range(LOOKS):
        for _ in range(REQUESTS):
            with urlopen(url) as response:
                response.read()
        looked = len(asked)
        while len(asked) == looked:
            page.wait_for_timeout(50)
    check("it asks again, and nobody else", true=set(asked) == {f"{url}/-/page.json"})
    check("it draws CPU, memory and requests", true=page.locator("figure polyline").count() == 3)  # noqa: PLR2004
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.screenshot(path=images / f"status-page-{scheme}.png", animations="disabled")
    before = row(page, "worker")
    page.get_by_label("Restart worker").click()
    page.locator("#programs tr", has_text="requested on the status page").wait_for()
    check(f"the button has restarted the worker: {row(page, 'worker')!r}", true=row(page, "worker") != before)
    page.get_by_text("Reload", exact=True).click()
    page.wait_for_timeout(1000)
    check("a reload leaves no message", true=page.locator("#message").inner_text() == "")
    check(f"the console is empty: {complaints}", true=not complaints)

    other = context.new_page()
    other.goto("data:text/html,<title>another site</title>")
    answers = other.evaluate(FORGED, f"{url}/-/page/restart")
    pid = row(page, "worker").split()[3]
    page.wait_for_timeout(3000)
    check(f"another site gets {answers}, and restarts nothing", true=row(page, "worker").split()[3] == pid)


def main() -> int:
    """Return the exit code: 0 if everything was correct."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser (default: %(default)s)")
    parser.add_argument("--python-image", default=PYTHON_IMAGE, help="the base image (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=PICTURES, help="the folder of the pictures (default: %(default)s)")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with site(given.python_image) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=OPTIONS)
        try:
            use(browser, url, given.out)
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
