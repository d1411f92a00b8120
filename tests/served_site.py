"""A small Django project without a database. Its answers show how an application server passes on requests."""

from pathlib import Path
from textwrap import dedent
from typing import Final

_FILES: Final = {
    "manage.py": """
        import os, sys
        from django.core.management import execute_from_command_line
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "served.settings")
        execute_from_command_line(sys.argv)
    """,
    "served/__init__.py": "",
    "served/assets/style.css": "p { color: black }\n",
    "served/settings.py": """
        import os
        SECRET_KEY = os.environ["SECRET_KEY"]
        ALLOWED_HOSTS = ["127.0.0.1"]
        ROOT_URLCONF = "served.urls"
        INSTALLED_APPS = ["django.contrib.staticfiles"]
        STATIC_URL = "/static/"
        STATIC_ROOT = os.environ["STATIC_ROOT"]
        STATICFILES_DIRS = [os.path.join(os.path.dirname(__file__), "assets")]
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    """,
    "served/wsgi.py": """
        import os
        if os.environ.get("EXAMPLE_BROKEN"):
            raise ValueError("the application is broken")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "served.settings")
        from django.core.wsgi import get_wsgi_application
        application = get_wsgi_application()
    """,
    "served/asgi.py": """
        import asyncio, os
        from pathlib import Path
        if os.environ.get("EXAMPLE_BROKEN"):
            raise ValueError("the application is broken")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "served.settings")
        from django.core.asgi import get_asgi_application
        django = get_asgi_application()

        async def application(scope, receive, send):
            if scope["type"] == "websocket":
                await echo(receive, send)
            elif scope["type"] == "http" and scope["path"] == "/events/":
                await events(send)
            else:
                await django(scope, receive, send)

        async def echo(receive, send):
            await receive()
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"]})

        async def events(send):
            headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"data: first\\n\\n", "more_body": True})
            while not Path(os.environ["DATA_DIR"], "received").exists():
                await asyncio.sleep(0.01)
            await send({"type": "http.response.body", "body": b"data: second\\n\\n"})
    """,
    "served/urls.py": """
        import atexit, hashlib, os, signal, time
        from pathlib import Path
        from django.conf import settings
        from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
        from django.urls import path
        from django.views.decorators.csrf import csrf_exempt
        from django.views.static import serve

        DATA = Path(os.environ["DATA_DIR"])
        atexit.register(lambda: (DATA / f"exited-{os.getpid()}").touch())

        def page(request):
            return JsonResponse({
                "pid": os.getpid(), "address": request.META["REMOTE_ADDR"], "scheme": request.scheme,
                "host": request.get_host(), "x_forwarded_for": request.headers.get("X-Forwarded-For"),
            })

        @csrf_exempt
        def upload(request):
            digest = hashlib.sha256()
            while data := request.read(65536):
                digest.update(data)
            return HttpResponse(digest.hexdigest())

        def download(request):
            return HttpResponse(bytes(range(256)) * (20 << 12))

        def events(request):
            def body():
                yield b"data: first\\n\\n"
                while not (DATA / "received").exists():
                    time.sleep(0.01)
                yield b"data: second\\n\\n"
            return StreamingHttpResponse(body(), "text/event-stream", headers={"X-Accel-Buffering": "no"})

        def slow(request):
            (DATA / "slow").touch()
            time.sleep(3)
            return HttpResponse("done")

        @csrf_exempt
        def crash(request):
            os.kill(os.getpid(), signal.SIGKILL)

        urlpatterns = [
            path("", page), path("upload/", upload), path("download/", download), path("events/", events),
            path("slow/", slow), path("crash/", crash),
            path("static/<path:path>", serve, {"document_root": settings.STATIC_ROOT}),
        ]
    """,
}
BODY: Final = bytes(range(256)) * (20 << 12)
"""What `/download/` answers: 20 MiB."""


def write_served_site(folder: Path) -> Path:
    """Write the project; return its folder."""
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return folder
