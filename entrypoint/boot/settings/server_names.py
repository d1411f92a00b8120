"""The names of the application servers for ENTRYPOINT_SERVER."""

from typing import Final

NAMES: Final = ("uwsgi", "gunicorn", "uvicorn", "granian", "runserver")
"""entrypoint/boot/decisions/servers.py describes each of them."""
NONE: Final = "none"
"""nginx alone, with the user's configuration."""
