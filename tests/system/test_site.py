"""A booted site, as visitors and operators see it."""

import re
import signal

import requests
from deadline import PATIENCE, until
from site_under_test import Site


def login(session: requests.Session, site: Site) -> requests.Response:
    page = session.get(f"{site.url}/admin/login/", timeout=PATIENCE)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token
    return session.post(
        f"{site.url}/admin/login/?next=/admin/",
        data={"username": "admin", "password": "correct-horse", "csrfmiddlewaretoken": token[1]},
        timeout=PATIENCE,
    )


def test_the_page_comes_with_its_stylesheet_and_its_image(site: Site) -> None:
    page = requests.get(site.url, timeout=PATIENCE)
    assert page.status_code == 200
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert any(name.endswith(".css") for name in files)
    assert any(name.endswith(".svg") for name in files)
    for name in files:
        answer = requests.get(site.url + name, timeout=PATIENCE)
        assert answer.status_code == 200, name
        assert answer.headers["Content-Type"] in ("text/css", "image/svg+xml")


def test_the_superuser_can_log_in(site: Site) -> None:
    with requests.Session() as session:
        answer = login(session, site)
        assert answer.status_code == 200
        assert "Site administration" in answer.text


def test_an_uploaded_file_is_served_again(site: Site) -> None:
    with requests.Session() as session:
        session.get(f"{site.url}/upload/", timeout=PATIENCE)
        sent = session.post(
            f"{site.url}/upload/",
            data={"csrfmiddlewaretoken": session.cookies["csrftoken"]},
            files={"file": ("greeting.txt", b"hello")},
            timeout=PATIENCE,
        )
        link = re.search(r'href="(/media/[^"]+)"', sent.text)
        assert link
        assert session.get(site.url + link[1], timeout=PATIENCE).content == b"hello"


def test_the_application_sees_the_client_and_not_what_it_claims(site: Site) -> None:
    claims = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    seen = requests.get(f"{site.url}/request/", headers=claims, timeout=PATIENCE).json()
    assert seen["address"] == "127.0.0.1"
    assert seen["scheme"] == "http"
    assert seen["host"] == f"127.0.0.1:{site.port}"
    assert seen["x_forwarded_for"] == "127.0.0.1"


def test_the_health_paths_do_not_ask_the_application(site: Site) -> None:
    for path in ("/-/live", "/-/ready"):
        assert requests.get(site.url + path, headers={"Host": "unknown.example"}, timeout=PATIENCE).status_code == 200
    assert requests.get(site.url, headers={"Host": "unknown.example"}, timeout=PATIENCE).status_code == 400


def test_health_says_yes_while_the_site_is_ready(site: Site) -> None:
    done = site.command("health")
    assert (done.returncode, done.stdout) == (0, "ready\n")
    assert site.command("health", "live").returncode == 0


def test_health_checks_stay_out_of_the_log(site: Site) -> None:
    site.command("health")
    until(lambda: site.status("/?of-the-log") == 200, "an answer")
    until(lambda: "/?of-the-log" in site.output, "the access log")
    assert "/-/ready" not in site.output


def test_a_crashed_worker_is_replaced(site: Site) -> None:
    (master,) = site.programs("uwsgi")
    before = {worker.pid for worker in master.children()}
    answer = requests.get(f"{site.url}/crash/", timeout=PATIENCE)
    assert answer.status_code == 502
    until(lambda: {worker.pid for worker in master.children()} - before, "another worker")
    until(lambda: site.status("/request/") == 200, "an answer after the crash")
    assert site.programs("uwsgi") == [master]


def test_a_killed_application_server_is_started_again(site: Site) -> None:
    (master,) = site.programs("uwsgi")
    master.send_signal(signal.SIGKILL)
    until(lambda: site.programs("uwsgi") not in ([], [master]), "another uWSGI")
    until(lambda: site.status("/") == 200, "an answer after the kill")
    until(lambda: site.status("/-/ready") == 200, "the site to be ready again")


def test_a_killed_nginx_is_started_again(site: Site) -> None:
    (master,) = site.programs("nginx")
    master.send_signal(signal.SIGKILL)
    until(lambda: site.programs("nginx") not in ([], [master]), "another nginx")
    until(lambda: site.status("/") == 200, "an answer after the kill")


def test_each_line_of_the_log_has_its_program_and_none_is_critical(site: Site) -> None:
    for line in site.output.splitlines():
        assert re.match(r"\[(entrypoint|application|supervisord|nginx|uwsgi)\] ", line), line
    assert "CRIT" not in site.output
    assert "getting INI configuration" not in site.output  # uWSGI's banner


def test_a_crash_of_a_view_is_logged(site: Site) -> None:
    assert site.status("/error/") == 500
    until(lambda: "Traceback" in site.output, "the traceback")
