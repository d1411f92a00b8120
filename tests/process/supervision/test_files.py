import ssl
import subprocess
from pathlib import Path

import pytest
from deadline import PATIENCE, until
from ports import free_port

from .rig import Container

FACTORY = """\
from entrypoint.supervision import files, plugin
files.INTERVAL = 0.05
make = plugin.make
"""

NGINX = """\
daemon off; pid {home}/nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home};
  uwsgi_temp_path {home}; scgi_temp_path {home};
  server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {home}/tls/site.pem; ssl_certificate_key {home}/tls/site.key;
    location / {{ return 200; }} }}
}}
"""


@pytest.fixture
def watching(container: Container) -> Container:
    (container.home / "watching.py").write_text(FACTORY)
    container.factory = "watching:make"
    return container


def certificate(folder: Path, name: str) -> None:
    folder.mkdir()
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", f"/CN={name}", "-keyout", folder / "site.key", "-out", folder / "site.pem"),
        ],
        check=True,
        capture_output=True,
    )


def served(port: int) -> str:
    """Return the certificate that is served, nothing while there is none."""
    try:
        return ssl.get_server_certificate(("127.0.0.1", port), timeout=PATIENCE)
    except OSError:
        return ""


def test_nginx_serves_a_renewed_certificate(watching: Container) -> None:
    home = watching.home
    for name in ("old", "new"):
        certificate(home / name, name)
    old, new = ((home / name / "site.pem").read_text() for name in ("old", "new"))
    # As Kubernetes mounts a secret: a link to a folder, which is swapped.
    (home / "tls").symlink_to("old")
    port = free_port()
    (home / "nginx.conf").write_text(NGINX.format(home=home, port=port))
    files = [str(home / "tls" / name) for name in ("site.pem", "site.key")]
    watching.program(
        "nginx", f"nginx -e stderr -c {home}/nginx.conf", "stopsignal=QUIT", reload={"files": files, "signal": "HUP"}
    )
    watching.start()
    until(lambda: served(port) == old, "the old certificate")
    (home / "tls.new").symlink_to("new")
    (home / "tls.new").rename(home / "tls")
    until(lambda: served(port) == new, "the new certificate")
    assert watching.said("files of nginx have changed: sent it HUP")
    assert watching.text().count("files of nginx") == 1
    assert watching.stop() == 0


def test_a_file_that_is_missing_is_waited_for(watching: Container) -> None:
    file = watching.home / "file"
    file.write_text("one")
    command = watching.script(
        "site", "import signal\nsignal.signal(1, lambda *_: print('told'))\nprint('up')\nwhile True: signal.pause()"
    )
    watching.program("site", command, reload={"files": [str(file)], "signal": "HUP"})
    watching.start().said("[site] up")
    file.unlink()
    watching.ask("getState")
    file.write_text("another")
    watching.said("[site] told")
    assert watching.stop() == 0
    assert watching.lines("site") == ["up", "told"]
