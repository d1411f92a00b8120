"""`entrypoint doctor` in containers that are broken, each mended by pasting the lines that it prints."""

from __future__ import annotations

import json
import shlex
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from docker_engine import Engine, docker
from leftovers import name_in_engine

if TYPE_CHECKING:
    from pathlib import Path

KEY = "of-the-tests-alone-and-no-one-else-0123456789"
MOST_ROUNDS = 3  # a volume that the first round mounts may belong to root
RAW = '[tool.entrypoint.programs.hello]\ncommand = "sleep 1000"\nlog = "raw"\n'
RAW_FILE = "/srv/project/pyproject.toml"


@dataclass
class Broken:
    """A container as a user has described it: options, variables, and the lines added to its image."""

    image: str
    options: list[str]
    environment: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)
    dockerfile: list[str] = field(default_factory=list)

    def words(self) -> list[str]:
        variables = (word for name, text in self.environment.items() for word in ("-e", f"{name}={text}"))
        return [*variables, *self.options]  # of a variable that is given twice the last one counts

    def examine(self, engine: Engine, tmp_path: Path) -> tuple[int, list[dict[str, Any]]]:
        image = self._build(engine, tmp_path) if self.dockerfile or self.files else self.image
        done = docker("run", "--rm", *self.words(), image, "doctor", "--format", "json", check=False)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def mend(self, finding: dict[str, Any]) -> None:
        """Paste the line where the finding says."""
        where, line = finding["where"], finding["remedy"]
        if "docker run" in where:
            self.options += shlex.split(line.partition(" --publish ")[0])  # these containers serve nobody
        elif "environment" in where:
            name, _, text = line.partition("=")
            self.environment[name] = text
        elif "Dockerfile" in where:
            self.dockerfile += [line]
        elif "Django's settings" in where:
            self.dockerfile += [f"RUN echo '{line}' >> config/settings/production.py"]
        elif "as root" in where:
            volumes = [self.options[at + 1] for at, word in enumerate(self.options) if word in {"-v", "--volume"}]
            mounts = [word for volume in volumes for word in ("-v", volume)]
            docker("run", "--rm", "-u", "0", *mounts, "--entrypoint", "sh", self.image, "-c", line)
        else:
            assert where == "in the program's settings", finding
            self.files[RAW_FILE] = self.files[RAW_FILE].replace('log = "raw"', line)

    def _build(self, engine: Engine, folder: Path) -> str:
        lines = [f"FROM {self.image}", "USER 0"]
        for number, (path, text) in enumerate(self.files.items()):
            (folder / f"file{number}").write_text(text)
            (folder / f"file{number}").chmod(0o644)
            lines.append(f"COPY file{number} {path}")
        (folder / "Dockerfile").write_text("\n".join([*lines, *self.dockerfile]) + "\n")
        return engine.build(folder)


# Per case: options, variables, files, and the beginning of each problem in the first round.
Case = tuple[list[str], dict[str, str], dict[str, str], list[str]]
CORE: Case = (
    ["--user", "12345:0", "--read-only", "--tmpfs", "/tmp", "-v", "VOLUME:/data"],
    {"DATA_DIR": "/data", "ENTRYPOINT_RUN_DIR": "/srv/run", "NGINX_SERVER_NAME": "www.example.com"},
    {},
    [
        "cannot write ENTRYPOINT_RUN_DIR=/srv/run: the file system is read-only",
        "cannot write MEDIA_ROOT=/data/media: uid 12345 may not write /data",
        'cannot write the folder of DATABASES["default"]=/data: uid 12345 may not write /data',
        "uid 12345 has no passwd entry",
        "NGINX_SERVER_NAME names www.example.com, and ALLOWED_HOSTS does not",
    ],
)
MATRIX: dict[str, Case] = {
    "few descriptors": (["--ulimit", "nofile=500:500"], {}, {}, ["the limit of open files is 500: nginx needs 2368"]),
    "many workers": (
        ["--memory", "256m"], {"WEB_CONCURRENCY": "8"}, {}, ["8 workers of an ordinary site need 1152 MiB"],
    ),
    "little memory": (["--memory", "128m"], {}, {}, ["1 worker of an ordinary site needs 256 MiB"]),
    "a low port": (
        ["--user", "33:33", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024"],
        {"PORT": "80"}, {}, ["cannot listen on port 80: an ordinary user may not use the ports below 1024 here"],
    ),
    "an endless redirect": (
        [], {"DJANGO_SETTINGS_MODULE": "redirects"},
        {"/srv/project/redirects.py": "from config.settings import *\nSECURE_SSL_REDIRECT = True\n"},
        ["SECURE_SSL_REDIRECT is on and no proxy is trusted"],
    ),
    "a data folder on a read-only root": (
        ["--read-only", "--tmpfs", "/tmp", "--tmpfs", "/run"], {"DATA_DIR": "/opt"}, {},
        ["cannot write MEDIA_ROOT=/opt/media: the file system is read-only"],
    ),
    "a folder of root's in the image": (
        [], {"DATA_DIR": "/opt/site"}, {}, ["cannot write MEDIA_ROOT=/opt/site/media: www-data may not write /opt"],
    ),
    "raw output": (
        [], {}, {RAW_FILE: RAW}, ["programs.hello.log=raw in pyproject.toml: www-data cannot open /dev/stdout again"],
    ),
}  # fmt: skip


def mended(engine: Engine, image: str, folder: Path, case: Case) -> None:
    options, environment, files, problems = case
    name = name_in_engine()
    with ExitStack() as stack:
        options = [word.replace("VOLUME", name) for word in options]
        for made in {name, "opt", "media", "site"}:
            stack.callback(docker, "volume", "rm", "-f", made, check=False)
        broken = Broken(image, options, {"SECRET_KEY": KEY, **environment}, dict(files))
        code, findings = broken.examine(engine, folder)
        wrong = [finding for finding in findings if finding["wrong"]]
        assert code == 1
        assert len(wrong) >= len(problems)
        for problem in problems:
            assert any(finding["problem"].startswith(problem) for finding in wrong), (problem, wrong)
        for _ in range(MOST_ROUNDS):
            for line in {finding["remedy"]: finding for finding in wrong}.values():
                broken.mend(line)
            code, findings = broken.examine(engine, folder)
            wrong = [finding for finding in findings if finding["wrong"]]
            if not wrong:
                break
        assert (code, wrong) == (0, [])


def test_a_broken_container_is_mended_by_pasting_what_the_doctor_prints(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    mended(engine, image, tmp_path, CORE)


@pytest.mark.thorough
@pytest.mark.parametrize("case", MATRIX)
def test_each_of_these_is_mended_as_well(engine: Engine, image: str, tmp_path: Path, case: str) -> None:
    mended(engine, image, tmp_path, MATRIX[case])
