"""The source beside each setting that a rendered file names."""

import re
from pathlib import Path

import pytest

from entrypoint.boot.settings.provenance import annotate
from entrypoint.boot.settings.settings import setting_specs

CONF = Path(__file__).parents[2] / "conf"
ORIGINS = {"PORT": "environment", "NGINX_CLIENT_MAX_BODY_SIZE": "/run/secrets/size"}


@pytest.mark.parametrize(
    ("line", "annotated"),
    [
        ("    listen 80;  # PORT", "    listen 80;  # PORT (environment)"),
        ("a 1;  # NGINX_CLIENT_MAX_BODY_SIZE", "a 1;  # NGINX_CLIENT_MAX_BODY_SIZE (/run/secrets/size)"),
        ("; WEB_CONCURRENCY", "; WEB_CONCURRENCY (default)"),
        ("; How long it waits: ENTRYPOINT_STOP_TIMEOUT", "; How long it waits: ENTRYPOINT_STOP_TIMEOUT (default)"),
        ('location "/s/" {  # STATIC_ROOT', 'location "/s/" {  # STATIC_ROOT (Django\'s settings)'),
        ("a 1;  # PORT, WEB_CONCURRENCY", "a 1;  # PORT (environment), WEB_CONCURRENCY (default)"),
        ("    # PORT", "    # PORT (environment)"),
    ],
)
def test_a_setting_that_a_comment_names_gets_its_origin(line: str, annotated: str) -> None:
    assert annotate(f"before\n{line}\nafter\n", ORIGINS) == f"before\n{annotated}\nafter\n"


@pytest.mark.parametrize(
    "line",
    [
        "chdir = /srv/a  # PORT",
        'alias "/srv/;  # PORT";',
        "# The queue of PORT",
        "; TERM",
        "listen 80;  # NO_SUCH_SETTING",
        "PORT",
        "a 1; # PORT is 80",
    ],
)
def test_other_text_that_looks_like_a_setting_is_left_alone(line: str) -> None:
    assert annotate(f"{line}\n", ORIGINS) == f"{line}\n"


def test_an_alias_of_a_setting_is_its_origin_too() -> None:
    origins = {"DJANGO_SUPERUSER_USERNAME": "environment"}
    assert annotate("# SUPERUSER_USERNAME\n", origins) == "# SUPERUSER_USERNAME (environment)\n"


@pytest.mark.parametrize("path", sorted(CONF.glob("*.j2")), ids=lambda path: path.name)
def test_each_setting_that_a_template_names_gets_an_origin(path: Path) -> None:
    template = path.read_text(encoding="utf-8")
    known = {spec.name for spec in setting_specs()}
    named = [name for name in re.findall(r"(?m)^.*[#;] .*?([A-Z][A-Z0-9_]+)$", template) if name in known]
    assert len(re.findall(r"(?m)^.*[#;] .*\(default\)$", annotate(template, {}))) == len(named)
