"""Prepare the example for many replicas at once, and again with no work left, and print one table.

It needs the databases that the tests need; README.md says what is measured.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from table import Failed, carry_out, draw, machine, parser, spread, write

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # for the modules that start a database
import databases  # noqa: E402
from databases import Database  # noqa: E402
from mariadb_server import MariaDB  # noqa: E402
from pgbouncer_server import PgBouncer  # noqa: E402
from postgres_server import Postgres  # noqa: E402

from entrypoint.boot.decisions.environment import for_application  # noqa: E402
from entrypoint.boot.effects.processes.agent import Agent, start  # noqa: E402
from entrypoint.boot.facts.machine import Facts, read_machine  # noqa: E402
from entrypoint.boot.plan.plan import make_plan  # noqa: E402
from entrypoint.boot.plan.steps import Ask  # noqa: E402
from entrypoint.boot.settings.settings import Settings  # noqa: E402

EXAMPLE = ROOT / "examples" / "django"
COMMAND = str(Path(sys.executable).with_name("entrypoint"))
KINDS = ("postgres", "mariadb", "sqlite", "pgbouncer")
STEPS = ("--only", "wait", "--only", "migrate", "--only", "superuser")
BARE = "import django; django.setup()"
QUERY = "; from django.db import connection; connection.cursor().execute('SELECT 1')"

REPLICAS = 20
OF_ONE, OF_DJANGO = 1.5, 20  # the goal: at most so many single preparations plus so many bare starts of Django
WARM_GOAL = 1.3

NewDatabase = Callable[[Path], Database]
Samples = dict[str, list[float]]


def environ(place: Path, database: Database) -> dict[str, str]:
    """Return the environment of a replica; `place` is its folder."""
    return {
        "PATH": os.environ["PATH"],
        "ENTRYPOINT_USER": str(os.geteuid()),
        "ENTRYPOINT_APP_DIR": str(EXAMPLE),
        "ENTRYPOINT_RUN_DIR": str(place / "run"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "of-the-benchmark-alone",
        "DATA_DIR": str(place),
        "STATIC_ROOT": str(place / "static"),
        "SUPERUSER_USERNAME": "bench",
        "SUPERUSER_EMAIL": "bench@example.com",
        "SUPERUSER_PASSWORD": "correct-battery",
        **database.environ,
    }


def run(command: list[str], environ: Mapping[str, str]) -> float:
    """Run a command in the project; return its seconds."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=EXAMPLE, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"cannot run {command[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return time.perf_counter() - began


def at_once(environ: Mapping[str, str]) -> float:
    """Prepare all replicas at once; return the seconds until the last one exits."""
    began = time.perf_counter()
    running = [
        subprocess.Popen(
            [COMMAND, "prepare", *STEPS], cwd=EXAMPLE, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(REPLICAS)
    ]
    said = [replica.communicate()[1] for replica in running]
    for replica, text in zip(running, said, strict=True):
        if replica.returncode:
            raise Failed(f"cannot prepare {REPLICAS} at once: {text.decode().strip()}")
    return time.perf_counter() - began


def warm(environ: Mapping[str, str]) -> float:
    """Send all requests to an agent; return the seconds from its start to its last result."""
    settings = Settings.read(environ)
    facts = read_machine(settings)
    began = time.perf_counter()
    surroundings = for_application(settings, facts, settings.settings_module)
    with Agent(start(facts, surroundings), lambda _name, _text, _level="info": None) as agent:
        plan = make_plan(settings, Facts(facts, agent.application()))
        for step in plan.steps:
            if isinstance(step, Ask):
                agent.ask(step.name, step.request)
        return time.perf_counter() - began


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a folder that every user can enter."""
    with tempfile.TemporaryDirectory(prefix="entrypoint-bench-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def measure(kind: str, new: NewDatabase, samples: Samples) -> None:
    """Take one sample of each measure on this kind of database."""
    with folder() as first, folder() as second:
        one = environ(first, new(first))
        samples.setdefault(f"{kind}: Django", []).append(run([sys.executable, "-c", BARE], one))
        samples.setdefault(f"{kind}: one", []).append(run([COMMAND, "prepare", *STEPS], one))
        many = environ(second, new(second))
        samples.setdefault(f"{kind}: all", []).append(at_once(many))
        run([COMMAND, "prepare"], many)
        samples.setdefault(f"{kind}: query", []).append(run([sys.executable, "-c", BARE + QUERY], many))
        samples.setdefault(f"{kind}: warm", []).append(warm(many))


def rows(samples: Samples) -> Iterator[tuple[str, ...]]:
    """Yield the table."""
    heading = (f"{REPLICAS} at once", "one alone", "Django's start", f"{REPLICAS} at once / allowed", "agent / Django")
    yield ("", *heading)
    for kind in KINDS:
        django, one, many, query, agent = (
            samples[f"{kind}: {what}"] for what in ("Django", "one", "all", "query", "warm")
        )
        allowed = [OF_ONE * o + OF_DJANGO * d for o, d in zip(one, django, strict=True)]
        yield (
            kind,
            spread(many, unit=" s"),
            spread(one, unit=" s"),
            spread(django, unit=" s"),
            spread([m / a for m, a in zip(many, allowed, strict=True)]),
            spread([a / q for a, q in zip(agent, query, strict=True)]),
        )


def missed(samples: Samples) -> list[str]:
    """Return the missed goals."""
    found = []
    for kind, *_, share, ratio in list(rows(samples))[1:]:
        found += [f"{REPLICAS} at once on {kind}"] if float(share.split()[0]) > 1 else []
        found += [f"the agent on {kind}"] if float(ratio.split()[0]) > WARM_GOAL else []
    return found


def bench(arguments: argparse.Namespace) -> None:
    """Measure, and print the table."""
    samples: Samples = {}
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres())
        postgres.start()
        mariadb = stack.enter_context(MariaDB())
        pooler = stack.enter_context(PgBouncer(postgres.url))
        makers: dict[str, NewDatabase] = {
            "postgres": lambda _: databases.on_postgres(postgres),
            "mariadb": lambda _: databases.on_mariadb(mariadb),
            "sqlite": databases.on_sqlite,
            "pgbouncer": lambda _: databases.behind_pgbouncer(postgres, pooler),
        }
        for number in range(arguments.runs + 1):
            for kind, new in makers.items():
                print(f"run {number} of {arguments.runs}: {kind}", file=sys.stderr)
                measure(kind, new, {} if number == 0 else samples)  # the first run warms the page cache
    print(f"\n{machine()}. Median (min to max) of {arguments.runs}.\n")
    print(draw(list(rows(samples))))
    print(f"\nmissed: {', '.join(missed(samples)) or 'none'}")
    if arguments.json:
        write(arguments.json, {"machine": machine(), "medians": {k: median(v) for k, v in samples.items()}, **samples})


if __name__ == "__main__":
    sys.exit(carry_out(bench, parser("Preparing for many replicas at once.", runs=5).parse_args()))
