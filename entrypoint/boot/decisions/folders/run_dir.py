"""The run directory, which holds all that is written at run time, and the names of the files in it."""

from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot.facts.machine import Machine
from entrypoint.boot.settings.settings import Settings

USUAL_RUN_DIR: Final = PurePosixPath("/run/entrypoint")
READY_FILE: Final = PurePosixPath("www/ready.json")  # exists while the site is ready
FIRST_READY_FILE: Final = PurePosixPath("www/first-ready")  # its mtime is the moment when this boot became ready
UNREADY_FILE: Final = PurePosixPath("www/unready.json")  # why the programs run and the site is not ready
DOWN_FILE: Final = PurePosixPath("www/down")  # exists while nothing will start an essential program again
PROGRAMS_FILE: Final = PurePosixPath("www/programs.json")  # what supervisord's plugin knows of the programs
REQUESTS_FILE: Final = PurePosixPath("nginx/requests.log")  # the status of each request that nginx has answered
SOCKET_FILE: Final = PurePosixPath("http.sock")  # where supervisord's plugin answers HTTP requests
STATISTICS_FILE: Final = PurePosixPath("app/stats.sock")  # uWSGI's
RELOAD_FILE: Final = PurePosixPath("www/reload.json")  # when the last reload ended, and how
READINESS_FILES: Final = (READY_FILE, FIRST_READY_FILE, UNREADY_FILE, DOWN_FILE, PROGRAMS_FILE, RELOAD_FILE)
"""The files that supervisord's plugin writes."""
TIMELINE_FILE: Final = PurePosixPath("boot.json")
HANDOVER_FILE: Final = PurePosixPath("handover.json")
CACHE_FOLDER: Final = PurePosixPath("nginx/cache")
CERTIFICATE_FILE: Final = PurePosixPath("tls/site.pem")


def run_dir(settings: Settings, machine: Machine) -> PurePosixPath:
    """Return the run directory. Outside /run, the port in its name tells two sites of one user apart."""
    if settings.run_dir:
        return settings.run_dir
    if machine.own_run_dir:
        return USUAL_RUN_DIR
    port = settings.listen_on(root=machine.root).port
    return machine.temporary / f"entrypoint-{machine.account.uid}-{port}"
