"""A test that does not end, of the run that test_leftovers.py kills."""

import os
import signal
from pathlib import Path

import leftovers
from servers import Redis
from site_under_test import Site


def test_nothing(place: Path, plain: Path) -> None:
    with Redis() as redis, Site(place, plain, ENTRYPOINT_APP="hello:app") as site:
        redis.start()
        site.start().ready()
        Path(os.environ["STARTED"]).write_text(f"{leftovers.run_folder()} {os.getpid()}")
        signal.pause()
