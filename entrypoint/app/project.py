"""The Django project: loaded as its own manage.py would load it, and what its settings say."""

import os
import re
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from entrypoint.app.failure import Failure

MANAGE: Final = "manage.py"
_SQLITE: Final = re.compile("sqlite|spatialite")
_KEY: Final = re.compile(r"\b(DJANGO_)?SECRET_KEY\b")


class _Reached(BaseException):
    """Raised where manage.py would begin to run a command; no `except Exception` of the project catches it."""


def load_settings() -> dict[str, Any]:
    """Load the settings of the project in the working directory; return what they say.

    That is soon, and enough to start the server. The facts are described by entrypoint/boot/facts, Application.
    Raises Failure, with the application's own last line, where they cannot be loaded.
    """
    try:
        import django  # noqa: PLC0415 -- it is the application's Django, found by the application's interpreter
    except ImportError as error:
        raise Failure(
            f"cannot load the application: {sys.executable} has no Django ({error}); ENTRYPOINT_PYTHON names another",
            "unusable",
        ) from error
    _check_access()
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 -- what Python itself does for `python manage.py`
    with _told():
        _run_manage()
        _check_key()
        return _settings(django.get_version())


def load_apps() -> dict[str, Any]:
    """Load the project's apps; return what only they can say. Raises Failure as above."""
    import django  # noqa: PLC0415 -- as above

    with _told():
        django.setup()
        return _apps()


@contextmanager
def _told() -> Iterator[None]:
    """Tell what goes wrong in the application in one line. Raises Failure."""
    try:
        yield
    except (Exception, SystemExit) as error:
        line = _own_line(error)
        kind = "not allowed" if isinstance(error, PermissionError) else "unusable"
        raise Failure(f"cannot load the application: {line}{_hint(line)}", kind) from error


def _check_access() -> None:
    """Refuse a project whose folder or manage.py the user that we run as may not use. Raises Failure."""
    folder = os.getcwd()  # noqa: PTH109 -- a Path drops the dot, for which the folder has to be entered
    for verb, path in (("enter", f"{folder}/."), ("read", f"{folder}/{MANAGE}")):
        if not os.access(path, os.R_OK) and (verb == "enter" or os.path.lexists(path)):
            what = folder if verb == "enter" else path
            raise Failure(f"cannot {verb} {what} as uid {os.geteuid()}: Permission denied", "not allowed")


def _run_manage() -> None:
    """Run manage.py up to its command: it may set more than DJANGO_SETTINGS_MODULE (sys.path, a .env file)."""
    if not Path(MANAGE).is_file():
        return
    from django.core import management  # noqa: PLC0415 -- not before the application's path is set

    def reached(_argv: object = None) -> None:
        raise _Reached

    execute, argv = management.execute_from_command_line, sys.argv
    management.execute_from_command_line = reached
    sys.argv = [MANAGE, "check"]
    try:
        runpy.run_path(MANAGE, run_name="__main__")
    except _Reached:
        pass
    finally:
        management.execute_from_command_line, sys.argv = execute, argv


def _check_key() -> None:
    """Have Django say now, and not at the first request, that there is no SECRET_KEY."""
    from django.conf import settings  # noqa: PLC0415 -- Django is known to be there only now

    settings.SECRET_KEY  # noqa: B018 -- reading it raises


def _hint(line: str) -> str:
    """Return what mends settings that do not load for want of a key."""
    named = _KEY.search(line)
    if named is None or os.environ.get(named[0]):
        return ""
    return f"; set {named[0]}, or ENTRYPOINT_DATA_DIR to a volume where one is made and kept"


def _own_line(error: BaseException) -> str:
    """Return the last line of the traceback, with the place in the application where it happened."""
    line = " ".join(traceback.format_exception_only(error)[-1].split())
    here = str(Path.cwd())
    own = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if f.filename.startswith(here) and "/site-packages/" not in f.filename
    ]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{line} ({error.filename}, line {error.lineno})"
    return f"{line} ({own[-1].filename}, line {own[-1].lineno})" if own else line


def _settings(version: str) -> dict[str, Any]:
    from django.conf import settings  # noqa: PLC0415 -- Django is known to be there only now

    return {
        "version": version,
        "settings_module": os.environ["DJANGO_SETTINGS_MODULE"],
        "wsgi": _callable(settings.WSGI_APPLICATION) or "django.core.wsgi:get_wsgi_application()",
        "asgi": _asgi(settings),
        "asynchronous": bool(getattr(settings, "ASGI_APPLICATION", None)),
        "prefix": sys.prefix,
        "virtual": sys.prefix != sys.base_prefix,
        "static_url": _url(settings, "STATIC_URL"),
        "static_root": _absolute(settings.STATIC_ROOT),
        "media_url": _url(settings, "MEDIA_URL"),
        "media_root": _absolute(settings.MEDIA_ROOT),
        "allowed_hosts": [str(host) for host in settings.ALLOWED_HOSTS],
        "sqlite": {
            alias: str(database.get("NAME") or "")
            for alias, database in settings.DATABASES.items()
            if _SQLITE.search(database.get("ENGINE", ""))
        },
    }


def _apps() -> dict[str, Any]:
    from django.apps import apps  # noqa: PLC0415 -- Django stands only now

    return {
        "databases": _databases(),  # not among the settings: the driver and Django's models are most of what is loaded
        "staticfiles": apps.is_installed("django.contrib.staticfiles"),
        "user": _user() if apps.is_installed("django.contrib.auth") else None,
    }


def _user() -> dict[str, Any]:
    from django.contrib.auth import get_user_model  # noqa: PLC0415 -- Django stands only now

    from entrypoint.app.superuser import fields_of, required  # noqa: PLC0415 -- as above

    model = get_user_model()
    return {
        "model": model._meta.label,  # noqa: SLF001 -- Django documents the _meta API
        "username_field": model.USERNAME_FIELD,
        "fields": sorted(fields_of(model)),
        "required": required(model),
    }


def _callable(dotted: str | None) -> str:
    """Return the dotted name of a callable as a server wants it."""
    module, _, name = (dotted or "").rpartition(".")
    return f"{module}:{name}" if module else ""


def _asgi(settings: Any) -> str:  # noqa: ANN401 -- Django ships no types
    """Return ASGI_APPLICATION, which Django itself does not know, or asgi.py beside wsgi.py, or Django's factory."""
    named = _callable(getattr(settings, "ASGI_APPLICATION", None))
    package = (settings.WSGI_APPLICATION or "").rpartition(".wsgi.")[0]
    if not named and package and find_spec(f"{package}.asgi"):
        return f"{package}.asgi:application"
    return named or "django.core.asgi:get_asgi_application()"


def _url(settings: Any, name: str) -> str:  # noqa: ANN401 -- as above
    """Return the URL in the setting `name` as Django has it where it serves from `/`.

    Django's own `settings` would import its views and models for that, 80 ms.
    """
    said = str(getattr(import_module(settings.SETTINGS_MODULE), name, "") or "")
    return said if not said or said.startswith(("/", "http://", "https://")) else f"/{said}"


def _absolute(folder: object) -> str:
    return str(Path(str(folder)).absolute()) if folder else ""


def _databases() -> list[dict[str, str]]:
    from django.db import connections  # noqa: PLC0415 -- Django stands only now

    return [
        {
            "alias": connection.alias,
            "vendor": connection.vendor,
            "name": str(connection.settings_dict["NAME"] or ""),
            "host": str(connection.settings_dict["HOST"] or ""),
            "port": str(connection.settings_dict["PORT"] or ""),
        }
        for connection in connections.all(initialized_only=False)
        if connection.settings_dict["ENGINE"] != "django.db.backends.dummy"
    ]
