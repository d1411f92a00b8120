"""Programs that boot starts before the exec: the site answers from its first moment, and supervisord adopts them."""

import os
import signal
from pathlib import Path

import psutil
import pytest
import requests
from deadline import PATIENCE, until
from site_under_test import NewSite, Site

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SLOW = """
import os, time
from pathlib import Path
from django.db import migrations

def slow(apps, schema_editor):
    while not Path(os.environ["GO_ON"]).exists():
        time.sleep(0.01)

class Migration(migrations.Migration):
    dependencies = [  # so that it is the last
        ("pages", "0001_initial"),
        ("sessions", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]
    operations = [migrations.RunPython(slow)]
"""


@pytest.fixture
def migrating(prepared_site: NewSite, project: Path, tmp_path: Path) -> Site:
    """A site in the middle of its migrations, which continue once the file `go-on` exists."""
    (project / "pages" / "migrations" / "0002_slow.py").write_text(SLOW)
    site = prepared_site(project, GO_ON=str(tmp_path / "go-on"))
    (tmp_path / "data" / "db.sqlite3").unlink()
    site.start()
    until(lambda: "migrating 20/21" in page(site), "the slow migration", instead=lambda: site.output)
    return site


def page(site: Site) -> str:
    """Return the page that a browser sees. The log shows a migration before the page does."""
    try:
        return requests.get(site.url, headers=BROWSER, timeout=PATIENCE).text
    except requests.ConnectionError:
        return ""


def test_while_it_migrates_every_path_says_so(migrating: Site, tmp_path: Path) -> None:
    site = migrating
    for path in ("/", "/admin/", "/nowhere"):
        answer = requests.get(site.url + path, timeout=PATIENCE)
        assert (answer.status_code, answer.json()) == (503, {"phase": "migrating", "done": 20, "of": 21}), path
        assert answer.headers["Retry-After"] == "1"
        assert answer.headers["Cache-Control"] == "no-store"
    shown = requests.get(site.url, headers=BROWSER, timeout=PATIENCE)
    assert shown.status_code == 503
    assert shown.headers["Retry-After"] == "1"
    assert shown.headers["Content-Type"] == "text/html"
    assert "migrating 20/21" in shown.text
    assert requests.post(site.url, data={"a": "b"}, headers=BROWSER, timeout=PATIENCE).status_code == 503
    assert site.status("/-/live") == 200
    ready = requests.get(site.url + "/-/ready", timeout=PATIENCE)
    assert (ready.status_code, ready.json()) == (503, {"phase": "migrating", "done": 20, "of": 21})
    for path in ("/-/phase.json", "/-/phase.txt", "/-/starting", "/-/error", "/-/error.json"):
        assert site.status(path) == 404
    health = site.command("health")
    assert (health.returncode, health.stderr) == (1, "starting: migrating 20/21\n")
    (tmp_path / "go-on").touch()
    site.ready()
    assert requests.get(site.url, headers=BROWSER, timeout=PATIENCE).status_code == 200
    # Requests that nginx answers itself are not logged; those that reach the application are.
    until(lambda: '"GET / HTTP/1.1" 200' in site.output, "the line of the request")
    assert '"GET / HTTP/1.1" 503' not in site.output


def test_supervisord_adopts_the_running_programs_but_no_server_from_before_the_migrations(
    migrating: Site, tmp_path: Path
) -> None:
    site = migrating
    (nginx,) = site.programs("nginx")
    assert len(psutil.Process(site.pid).children()) == 3  # the agent, nginx, and a uwsgi that loads the application
    early = {child for child in site.family() if "--ini" in " ".join(child.cmdline())}
    assert early
    (tmp_path / "go-on").touch()
    site.ready()
    assert early.isdisjoint(site.family())
    assert psutil.Process(site.pid).name() == "supervisord"
    assert site.programs("nginx") == [nginx]
    (uwsgi,) = site.programs("uwsgi")
    assert f"spawned: 'nginx' with pid {nginx.pid}" in site.output
    assert f"spawned: 'uwsgi' with pid {uwsgi.pid}" in site.output
    assert len(psutil.Process(site.pid).children()) == 2
    assert not (site.folder / "run" / "handover.json").exists()
    for program in (nginx, uwsgi):
        program.kill()
    until(lambda: site.programs("nginx") and site.programs("uwsgi"), "their successors")
    until(lambda: site.status("/") == 200, "the site to be back")
    assert site.stop()[0] == 0


def test_a_failing_boot_leaves_nothing_behind(new_site: NewSite, project: Path) -> None:
    (project / "config" / "settings" / "production.py").write_text("raise RuntimeError('no settings today')\n")
    site = new_site(project, DJANGO_SETTINGS_MODULE="config.settings.production").start()
    assert site.wait() == 78
    assert "start nginx" in site.output
    assert site.status("/-/live") is None


def test_files_of_a_killed_container_make_nothing_ready(migrating: Site, tmp_path: Path) -> None:
    site = migrating
    (tmp_path / "go-on").touch()
    site.ready()
    for process in (psutil.Process(site.pid), *site.family()):
        process.kill()
    site.wait()
    assert (site.folder / "run" / "www" / "ready.json").exists()
    (tmp_path / "go-on").unlink()
    (tmp_path / "data" / "db.sqlite3").unlink()
    site.start()
    seen = until(lambda: site.status("/-/ready"), "nginx")
    assert seen == 503
    (tmp_path / "go-on").touch()
    assert site.ready().stop()[0] == 0


def test_a_users_starting_page_is_shown_with_the_phase(prepared_site: NewSite, project: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "starting.html").write_text('<p>soon, by {{ server }}: <!--# include virtual="/-/phase.txt" --></p>\n')
    (project / "pages" / "migrations" / "0002_slow.py").write_text(SLOW)
    site = prepared_site(project, GO_ON=str(tmp_path / "go-on"), ENTRYPOINT_CONF_DIR=str(own))
    (tmp_path / "data" / "db.sqlite3").unlink()
    site.start()
    until(lambda: "migrating 20/21" in page(site), "the slow migration", instead=lambda: site.output)
    shown = requests.get(site.url, headers=BROWSER, timeout=PATIENCE)
    assert (shown.status_code, shown.text) == (503, "<p>soon, by uwsgi: migrating 20/21\n</p>\n")
    (tmp_path / "go-on").touch()
    site.ready()
    os.kill(site.pid, signal.SIGSTOP)  # so that no process starts the application again
    (tmp_path / "run/www/ready.json").unlink()  # as supervisord does when the application ends
    os.killpg(site.programs("uwsgi")[0].pid, signal.SIGKILL)
    restarting = "<p>soon, by uwsgi: restarting application</p>\n"
    until(lambda: page(site) == restarting, "the page", instead=lambda: page(site))
    assert site.status("/") == 503
    os.kill(site.pid, signal.SIGCONT)
    until(lambda: site.status("/") == 200, "the site to be back")


def test_a_users_template_is_not_served_before_its_time(plain_site: NewSite, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "nginx-app.conf.j2").write_text('{% include "nginx-app.conf.j2" %}\n# mine\n')
    site = plain_site(ENTRYPOINT_CONF_DIR=str(own)).start().ready()
    assert "start nginx" not in site.output
    assert site.status("/") == 200


def test_answers_go_from_starting_to_served_and_never_back(new_site: NewSite) -> None:
    site = new_site().start()
    seen: list[int | None] = []

    def look() -> bool:
        status = site.status("/")
        if not seen or seen[-1] != status:
            seen.append(status)
        return site.status("/-/ready") == 200

    until(look, "the site to be ready")
    until(lambda: look() and len(seen) > 1, "the answers")
    assert seen[-3:] in ([None, 503, 200], [503, 200], [None, 200])


def test_the_phase_names_a_wait_hooks_and_a_release(prepared_site: NewSite, project: Path, tmp_path: Path) -> None:
    wait = 'until [ -e "{}" ]; do sleep 0.01; done\n'
    folder = tmp_path / "hooks" / "pre-start.d"
    folder.mkdir(parents=True)
    (folder / "10-wait.sh").write_text(wait.format(tmp_path / "hook"))
    (project / "Procfile").write_text(f"release: sh -c '{wait.format(tmp_path / 'release').strip()}'\n")
    site = prepared_site(
        project, ENTRYPOINT_HOOKS_DIR=str(tmp_path / "hooks"), ENTRYPOINT_WAIT_FOR=f"file:{tmp_path / 'file'}"
    ).start()
    until(lambda: site.phase() == "waiting for services", "the wait")
    (tmp_path / "file").touch()
    until(lambda: site.phase() == "running pre-start hooks", "the hook")
    (tmp_path / "hook").touch()
    until(lambda: site.phase() == "running the release", "the release")
    (tmp_path / "release").touch()
    assert site.ready().stop()[0] == 0
