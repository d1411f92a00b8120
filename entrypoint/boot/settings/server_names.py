"""The names of the application servers, as ENTRYPOINT_SERVER takes them."""

from typing import Final

NAMES: Final = ("uwsgi", "gunicorn", "uvicorn", "granian", "runserver")
"""Each is described in `entrypoint/boot/decisions/servers.py`."""
NONE: Final = "none"
"""nginx alone, with configuration of your own."""
