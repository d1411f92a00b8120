"""An application without Django, whose boot takes 0.4 of the CPU: for tests whose subject is what surrounds it."""

from pathlib import Path

_APPLICATION = '''
import asyncio, os, signal, time
from pathlib import Path

HERE = Path(__file__).parent


def answer(path, query):
    """Return the fact that lets the answer come."""
    if path == "/crash/":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/hold/":
        (HERE / "held").touch()
        return (HERE / "released").exists
    end = time.monotonic() + (float(query.partition("=")[2]) if path == "/sleep/" else 0)
    return lambda: time.monotonic() >= end


def wsgi(environ, start_response):
    over = answer(environ["PATH_INFO"], environ["QUERY_STRING"])
    while not over():
        time.sleep(0.01)
    body = environ["REMOTE_ADDR"].encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    over = answer(scope["path"], scope["query_string"].decode())
    while not over():
        await asyncio.sleep(0.01)
    body = scope["client"][0].encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
'''


def write_plain_application(folder: Path) -> Path:
    """Write plain.py, with plain:wsgi and plain:asgi, and a static file of 20 KB; return the folder.

    Each path shows the client's address: /hold/ once `held` and then `released` are there, as in `hold_requests`,
    /sleep/?s=0.1 after as many seconds; /crash/ kills the worker.
    """
    folder.mkdir()
    (folder / "plain.py").write_text(_APPLICATION)
    (folder / "static").mkdir()
    (folder / "static" / "style.css").write_text("p { color: black }\n" * 1000)
    return folder
