"""The names of the files by which the processes of a container find each other, in its run directory."""

from pathlib import PurePosixPath
from typing import Final

WWW: Final = PurePosixPath("www")  # what nginx serves for entrypoint itself
READY: Final = WWW / "ready.json"  # exists while the site is ready
UNREADY: Final = WWW / "unready.json"  # why the programs run and the site is not ready
FIRST_READY: Final = WWW / "first-ready"  # its mtime is the moment when this boot became ready
DOWN: Final = WWW / "down"  # exists while nothing will start an essential program again
PHASE: Final = WWW / "phase.json"  # exists while the boot prepares the application
PHASE_TEXT: Final = WWW / "phase.txt"  # the same for people
MAINTENANCE: Final = WWW / "maintenance-server.conf"  # exists while nginx answers visitors with 503
PROGRAMS: Final = WWW / "programs.json"  # what supervisord's plugin knows of the programs
RELOAD: Final = WWW / "reload.json"  # when the last reload ended, and how
READINESS: Final = (READY, FIRST_READY, UNREADY, DOWN, PROGRAMS, RELOAD)
"""The files that tell the state of the programs, and whether the site is or was ready."""
REQUESTS: Final = PurePosixPath("nginx/requests.log")  # the status of each request that nginx has answered
TIMELINE: Final = PurePosixPath("boot.json")  # the steps of the boot
HANDOVER: Final = PurePosixPath("handover.json")  # what boot leaves to supervisord's plugin
SUPERVISION: Final = PurePosixPath("supervision.json")  # how all programs are supervised
SUPERVISORD_CONF: Final = PurePosixPath("supervisord.conf")
CONTROL_SOCKET: Final = PurePosixPath("supervisor.sock")  # supervisord's
HTTP_SOCKET: Final = PurePosixPath("http.sock")  # where supervisord's plugin answers HTTP requests
STATISTICS: Final = PurePosixPath("app/stats.sock")  # of uWSGI
CACHE: Final = PurePosixPath("nginx/cache")
CERTIFICATE: Final = PurePosixPath("tls/site.pem")
