"""The remedy for a user's file that nginx refuses beside ours. The real nginx reads both."""

import shutil
import subprocess
from pathlib import Path, PurePosixPath
from textwrap import dedent

import pytest

from entrypoint.boot.decisions.folders.artifacts import File
from entrypoint.boot.effects.checks.nginx_fault import nginx_fault
from entrypoint.boot.plan.check_steps import ValidateNginx

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin") or "nginx"
NGINX_CONF = """
    pid {folder}/pid;
    events {{}}
    http {{
        client_max_body_size 10m;  # NGINX_CLIENT_MAX_BODY_SIZE
        server_tokens off;
        access_log off;
        server_names_hash_max_size 512;
        include {http};
        include {app};
    }}
"""
APP_CONF = """
    real_ip_header X-Forwarded-For;
    server {{
        listen 127.0.0.1:{port} default_server;
        absolute_redirect off;
        include {server};
    }}
"""


def told(folder: Path, port: int, http: str = "", server: str = "") -> str:
    """Return the message about these two files, each named without its folder."""
    paths = {name: PurePosixPath(folder, f"{name}.conf") for name in ("nginx", "app", "http", "server")}
    texts = {"nginx": NGINX_CONF, "app": APP_CONF, "http": http, "server": server}
    for name, text in texts.items():
        Path(paths[name]).write_text(dedent(text).format(folder=folder, port=port, **paths))
    files = tuple(File(paths[name], Path(paths[name]).read_text(), f"{name}.conf.j2") for name in ("nginx", "app"))
    command = (NGINX, "-e", "stderr", "-c", str(paths["nginx"]), "-t", "-q")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    step = ValidateNginx(command, files, {}, (paths["http"],), (paths["server"],))
    return nginx_fault(done.stderr, step).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("http", "what", "remedy"),
    [
        (
            "client_max_body_size 5m;",
            '"client_max_body_size" directive is duplicate',
            "set NGINX_CLIENT_MAX_BODY_SIZE instead, or move the line to /etc/nginx/server.d",
        ),
        (
            "server_tokens on;",
            '"server_tokens" directive is duplicate',
            "entrypoint sets it: delete the line, or move it to /etc/nginx/server.d",
        ),
        (
            "server_names_hash_max_size 9;",
            '"server_names_hash_max_size" directive is duplicate',
            "delete the line: entrypoint sets it",
        ),
        (
            "location /a {{}}",
            '"location" directive is not allowed here',
            "this folder is for the http block, /etc/nginx/server.d is for the server block",
        ),
    ],
)
def test_a_file_for_http_that_collides_is_reported_with_its_remedy(
    tmp_path: Path, free_port: int, http: str, what: str, remedy: str
) -> None:
    assert told(tmp_path, free_port, http) == f"cannot use http.conf: {what} in line 1; {remedy}"


@pytest.mark.parametrize(
    ("http", "what", "line"),
    [
        (
            "real_ip_header X-Real-IP;",
            '"real_ip_header" directive is duplicate',
            "real_ip_header X-Forwarded-For;",
        ),
        (
            "server {{ listen 127.0.0.1:{port} default_server; }}",
            "a duplicate default server for 127.0.0.1:{port}",
            "listen 127.0.0.1:{port} default_server;",
        ),
    ],
)
def test_an_error_in_our_file_names_the_users_file(
    tmp_path: Path, free_port: int, http: str, what: str, line: str
) -> None:
    why = f"{what.format(port=free_port)}, http.conf sets it too; delete it there, or move it to /etc/nginx/server.d"
    expected = f"cannot use app.conf, from app.conf.j2: {why}; it says: {line.format(port=free_port)}"
    assert told(tmp_path, free_port, http) == expected


@pytest.mark.parametrize(
    ("server", "what", "remedy"),
    [
        (
            "server {{}}",
            '"server" directive is not allowed here',
            "this folder is for the server block, /etc/nginx/conf.d is for the http block",
        ),
        (
            "absolute_redirect on;",
            '"absolute_redirect" directive is duplicate',
            "to replace what entrypoint writes, put a template of your own into ENTRYPOINT_CONF_DIR",
        ),
    ],
)
def test_a_file_for_the_server_block_that_collides_is_reported_with_its_remedy(
    tmp_path: Path, free_port: int, server: str, what: str, remedy: str
) -> None:
    assert told(tmp_path, free_port, server=server) == f"cannot use server.conf: {what} in line 1; {remedy}"


def test_any_other_error_is_reported_as_nginx_words_it(tmp_path: Path, free_port: int) -> None:
    assert told(tmp_path, free_port, "no_such on;") == 'cannot use http.conf: unknown directive "no_such" in line 1'


def test_a_file_changed_by_its_remedy_is_accepted(tmp_path: Path, free_port: int) -> None:
    assert not told(tmp_path, free_port, server="client_max_body_size 5m; server_tokens on;")


def test_a_file_that_ends_too_early_is_reported(tmp_path: Path) -> None:
    conf = tmp_path / "nginx.conf"
    conf.write_text("events {}\nhttp {\n")
    command = (NGINX, "-e", "stderr", "-c", str(conf), "-t", "-q")
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    step = ValidateNginx(command, (File(PurePosixPath(conf), conf.read_text(), "nginx.conf"),), {}, (), ())
    why = 'unexpected end of file, expecting "}"'
    assert nginx_fault(said, step) == f"cannot use {conf}, from nginx.conf: {why}"
