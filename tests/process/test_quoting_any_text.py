"""Any text as one word of each format: its reader gets exactly that text, or we refuse it."""

import json
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from deadline import PATIENCE, until
from hypothesis import given, settings
from hypothesis import strategies as st
from ports import free_port
from supervisor.options import ServerOptions

from entrypoint.boot.files import quote
from entrypoint.errors import Unusable

# Characters that one of the readers does not take as text, and any character of Unicode.
HOSTILE = [
    *("%", "%%", "%d", "%(ENV_PATH)s", "%(here)s", "$", "$host", "${x}", "$(HOME)", "@(/etc/passwd)", "{{ x }}", "{%"),
    *(";", " ;", " #", "#", "}", "{", '"', "'", "\\", "\\n", "=", ",", ":", "[x]", "\n", "\r", "\t", "\0", "\x1b"),
    *(" ", "  ", "\x85", "\xa0", "\u2028", "\udce9", "é", "日本", "😀", "a", "include", "x" * 300),
]
TEXT = st.lists(st.sampled_from(HOSTILE) | st.characters(), max_size=6).map("".join)
TEXTS = st.lists(TEXT, min_size=100, max_size=100)
# Each start of a reader takes on a batch of a hundred texts; the full profile has twenty batches.
BATCHES = settings(max_examples=settings().max_examples // 10)


def sayable(texts: list[str], say: Callable[[str], str]) -> dict[str, str]:
    """Return what is written for each text that is not refused."""
    written = {}
    for text in texts:
        try:
            written[text] = say(text)
        except Unusable:
            continue
    return written


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@BATCHES
@given(texts=TEXTS)
def test_supervisord_reads_any_word_as_it_was(folder: Path, texts: list[str]) -> None:
    written = sayable(texts, lambda text: quote.supervisord(["echo", text, "end"]))
    lines = ["[supervisord]", f"logfile={folder}/log", f"pidfile={folder}/pid", f"childlogdir={folder}"]
    for number, command in enumerate(written.values()):
        lines += [f"[program:p{number}]", f"command = {command}"]
    (folder / "supervisord.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = ServerOptions()
    options.realize(["-c", str(folder / "supervisord.conf")])
    groups = {group.name: group.process_configs[0].command for group in options.process_group_configs}
    assert len(groups) == len(written)
    for number, text in enumerate(written):
        assert shlex.split(groups[f"p{number}"]) == ["echo", text, "end"]


@BATCHES
@given(texts=TEXTS)
def test_nginx_reads_any_string_as_it_was(folder: Path, texts: list[str]) -> None:
    written = sayable(texts, quote.nginx)
    port = free_port()
    answers = "\n".join(
        f"location = /{number} {{ return 200 {said}; }}" for number, said in enumerate(written.values())
    )
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "uwsgi", "fastcgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; events {{}} http {{ access_log off; client_body_temp_path {folder}/body;"
        f"{temporary} server {{ listen 127.0.0.1:{port}; location = /up {{ return 204; }}\n{answers}\n}} }}\n",
        encoding="utf-8",
    )
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    server = subprocess.Popen([nginx, "-e", "stderr", "-c", folder / "nginx.conf"], stderr=subprocess.PIPE)
    try:
        until(lambda: server.poll() is not None or answers_at(port), "nginx")
        assert server.poll() is None, server.stderr.read() if server.stderr else ""
        for number, text in enumerate(written):
            with urlopen(f"http://127.0.0.1:{port}/{number}", timeout=PATIENCE) as answer:
                assert answer.read().decode() == text
    finally:
        server.terminate()
        server.communicate()


def answers_at(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@BATCHES
@given(texts=TEXTS)
def test_uwsgi_reads_any_value_as_it_was(folder: Path, texts: list[str]) -> None:
    written = sayable([text for text in texts if text], quote.uwsgi)
    # uWSGI keeps options that it does not know, and shows them to the application.
    (folder / "show.py").write_text(
        "import json, os, uwsgi\n"
        "found = {k: v.decode() for k, v in uwsgi.opt.items() if k.startswith('text-')}\n"
        "open('found.json', 'w').write(json.dumps(found))\n"
        "os._exit(0)\n"
    )
    lines = ["[uwsgi]", "socket = show.sock", "need-app = true", "wsgi-file = show.py"]
    lines += [f"text-{number} = {said}" for number, said in enumerate(written.values())]
    (folder / "uwsgi.ini").write_text("\n".join(lines) + "\n", encoding="utf-8")
    uwsgi = Path(sys.executable).parent / "uwsgi"
    done = subprocess.run([uwsgi, "--ini", "uwsgi.ini"], cwd=folder, capture_output=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "found.json").read_text())
    assert found == {f"text-{number}": text for number, text in enumerate(written)}
