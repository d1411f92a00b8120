"""Variables that look like a setting but are not one: misspelt names, and the names of other images.

A variable of the project must cause no false alarm. So a name is only reported if the name that it resembles is unset,
and the resemblance is close.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from entrypoint.boot.settings.sources import compat
from entrypoint.boot.settings.spec import SettingSpec
from entrypoint.boot.settings.types.values import nearest, shown

_PREFIXES: Final = ("ENTRYPOINT_", "NGINX_")  # such names are checked one by one, against all settings
_OF_PROJECTS: Final = ("SECRET_KEY", "DATABASE_URL")
"""Names that most Django projects read, in their settings."""
_SIMILAR: Final = 0.93  # difflib's ratio; lower, and SUPERUSER_SURNAME would be taken for SUPERUSER_USERNAME
_TRANSPOSED: Final = 0.9  # the same letters in another order
_MOST_DIFFERENT: Final = 2  # letters
_STATIC_INDEX: Final = "STATIC_INDEX"  # of tiangolo/uwsgi-nginx-flask, 0 or 1

_ALIASES: Final[Mapping[str, str]] = {
    **{name: setting for name, setting in compat.VARIABLES.items() if name != _STATIC_INDEX},
    # serversideup/php
    "NGINX_HTTP_PORT": "PORT",
    "NGINX_HTTPS_PORT": "PORT",
    "NGINX_LISTEN_IP_PROTOCOL": "NGINX_IPV6",
    # netbox-docker, and other habits
    "SUPERUSER_NAME": "SUPERUSER_USERNAME",
    "SUPERUSER_USER": "SUPERUSER_USERNAME",
    "SUPERUSER_PASS": "SUPERUSER_PASSWORD",
    "SUPERUSER_PASSWD": "SUPERUSER_PASSWORD",
    "DJANGO_SUPERUSER_NAME": "DJANGO_SUPERUSER_USERNAME",
    "DJANGO_SUPERUSER_USER": "DJANGO_SUPERUSER_USERNAME",
    "DATABASE_URI": "DATABASE_URL",
    "ENTRYPOINT_PORT": "PORT",
    "NGINX_PORT": "PORT",
    "ENTRYPOINT_WORKERS": "WEB_CONCURRENCY",
}
_OF_KUBERNETES: Final = ("ENTRYPOINT_PORT", "NGINX_PORT")  # tcp://…, for a service named entrypoint or nginx
_OF_DJANGO: Final = "STATIC_URL"  # Django projects read it in their settings, and nginx follows them


def hint(name: str, known: Collection[str]) -> str:
    """Return `; did you mean X?` for the setting that an unknown name stands for, or an empty text."""
    alias = _ALIASES.get(name)
    return f"; did you mean {alias}?" if alias else nearest(name, known)


def warnings(environment: Mapping[str, str], specs: Collection[SettingSpec], *, django: bool) -> Iterator[str]:
    """Yield a warning for each variable that was probably meant to be another one, which is unset.

    `django` is whether the application is a Django project.
    """
    same = {name: spec.names for spec in specs for name in spec.names}
    conventions = [name for name in (*same, *_OF_PROJECTS) if not name.startswith(_PREFIXES)]
    given = {name.removesuffix("_FILE") for name, text in environment.items() if text}
    for name, text in environment.items():
        if not text or name in same or (name.startswith(_PREFIXES) and name not in _OF_KUBERNETES):
            continue
        meant = _alias(name, text, environment, django=django) or _similar(name, conventions)
        if meant and given.isdisjoint(same.get(meant, (meant,))):
            yield f"{shown(name)} is not a known name; did you mean {meant}?"
    if environment.get(_STATIC_INDEX, "0") != "0":
        yield f"{_STATIC_INDEX} is not a known name; did you mean NGINX_STATIC_INDEX=index.html?"


def _alias(name: str, text: str, environment: Mapping[str, str], *, django: bool) -> str | None:
    if name in _OF_KUBERNETES:
        return _ALIASES[name] if text.isdigit() else None
    if name == _OF_DJANGO and django and "STATIC_PATH" not in environment:
        return None
    return _ALIASES.get(name)


def _similar(name: str, known: Collection[str]) -> str | None:
    """Return the most similar name. A name that contains a known one, such as OLD_SECRET_KEY, is meant as it is."""
    near = [
        each
        for each in known
        if each[0] == name[:1]
        and abs(len(each) - len(name)) <= _MOST_DIFFERENT
        and len(set(each) ^ set(name)) <= _MOST_DIFFERENT
        and each not in name
    ]
    if not near:
        return None
    from difflib import SequenceMatcher  # noqa: PLC0415 -- 5 ms, needed after a typing error only

    found = {each: SequenceMatcher(None, name, each).ratio() for each in near}
    best = max(found, key=lambda each: found[each])
    least = _TRANSPOSED if sorted(best) == sorted(name) else _SIMILAR
    return best if found[best] >= least else None
