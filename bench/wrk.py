"""One run of wrk, and its result."""

import re
import subprocess
from typing import NamedTuple

from table import Failed

CONNECTIONS = 16
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
TOLD = re.compile(
    r"Latency Distribution\s+50%\s+(?P<half>\S+).*99%\s+(?P<most>\S+)\s+(?P<answers>\d+) requests in"
    r".*Requests/sec:\s+(?P<rate>[\d.]+)",
    re.DOTALL,
)


class Told(NamedTuple):
    """The result of wrk; times in seconds."""

    answers: int
    rate: float
    """Answers a second."""
    half: float
    """The time within which half of the answers came."""
    most: float
    """The time within which 99 % of the answers came."""


def load(url: str, seconds: int, *headers: str, closes: bool = False) -> Told:
    """Request one page over persistent connections for some seconds. Raises Failed.

    `closes`: the server closes each connection after an answer, which wrk calls an error.
    """
    command = ["wrk", "--threads=1", f"--connections={CONNECTIONS}", f"--duration={seconds}s", "--latency"]
    command += [*(f"--header={header}" for header in headers), url]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    told = TOLD.search(done.stdout)
    if done.returncode or not told or "Non-2xx" in done.stdout or ("Socket errors" in done.stdout and not closes):
        raise Failed(f"cannot measure {url}: wrk says\n{done.stdout}{done.stderr}")
    return Told(int(told["answers"]), float(told["rate"]), seconds_of(told["half"]), seconds_of(told["most"]))


def seconds_of(text: str) -> float:
    """Return the seconds in a time that wrk prints, such as 3.81ms."""
    number = text.rstrip("mus")
    return float(number) * UNITS[text[len(number) :]]
