"""The documents of a manifest. All scalars are texts: a port or a duration is spelt in many ways, and we parse it."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

from entrypoint.boot.manifest.values import Table, interpolated
from entrypoint.boot.settings.types.values import shown
from entrypoint.errors import NotAllowed, Unusable

STDIN: Final = "-"
_LARGEST: Final = 16 << 20  # bytes
_MOST: Final = 1_000_000  # values: an alias of aliases of aliases stands for any number of them
_MISSING: Final = "PyYAML is not installed; pip install PyYAML, or give the file as JSON"


class Manifest(NamedTuple):
    """One file."""

    name: str
    folder: Path  # the folder to which paths in the file are relative
    documents: Sequence[Table]


def read(name: str) -> Manifest:
    """Return the documents of the file, or of stdin if the name is `-`. Raises NotAllowed or Unusable.

    In those of Compose, the variables are replaced.
    """
    title = "stdin" if name == STDIN else shown(name)
    try:
        documents = list(_tables(title, _parsed(title, _text(name, title))))
    except RecursionError as error:
        raise Unusable(f"cannot read {title}: it is nested too deeply") from error
    if not documents:
        raise Unusable(f"cannot use {title}: it is empty")
    return Manifest(title, Path() if name == STDIN else Path(name).parent, documents)


def _text(name: str, title: str) -> str:
    try:
        if name == STDIN:
            return sys.stdin.buffer.read(_LARGEST).decode()
        path = Path(name)
        if path.is_dir():
            raise Unusable(
                f"cannot read {title}: it is a folder; name its files, or run "
                f"kubectl kustomize {title} | entrypoint check --manifest -"
            )
        with path.open("rb") as opened:
            return opened.read(_LARGEST).decode()
    except UnicodeDecodeError:
        raise Unusable(f"cannot read {title}: it is not UTF-8 text") from None
    except PermissionError as error:
        raise NotAllowed(f"cannot read {title}: {error.strerror}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise Unusable(f"cannot read {title}: {getattr(error, 'strerror', None) or error}") from error


def _parsed(title: str, text: str) -> list[Any]:
    if text.lstrip().startswith("{"):
        try:
            return [json.loads(text, parse_int=str, parse_float=str)]
        except (ValueError, RecursionError):
            pass  # it may be YAML
    try:
        import yaml  # noqa: PLC0415 -- an extra, which no boot needs
    except ImportError:
        raise Unusable(f"cannot read {title}: {_MISSING}") from None
    try:
        return list(yaml.load_all(text, _loader()))
    except yaml.YAMLError as error:
        template = "; it is a template, render it first: helm template . | entrypoint check --manifest -"
        raise Unusable(f"cannot read {title}: {_reason(error)}{template if '{{' in text else ''}") from error
    except ValueError as error:
        raise Unusable(f"cannot read {title}: a value is not of its type") from error


def _tables(title: str, documents: list[Any]) -> Iterator[Table]:
    """Yield the documents that are not empty. Raises Unusable."""
    numbers = count()

    def converted(value: Any, scalar: Callable[[str], str | None]) -> Any:  # noqa: ANN401 -- any value of YAML
        if next(numbers) > _MOST:
            raise Unusable(f"cannot use {title}: its aliases stand for more than {_MOST} values")
        if isinstance(value, dict):
            return Table({str(key): converted(each, scalar) for key, each in value.items()})
        if isinstance(value, list):
            return [converted(each, scalar) for each in value]
        if isinstance(value, bool):  # JSON's
            return str(value).lower()
        return scalar(value) if isinstance(value, str) else None

    for document in documents:
        if document:
            if not isinstance(document, dict):
                raise Unusable(f"cannot use {title}: it is not a manifest, which is a mapping of keys")
            yield converted(document, interpolated if "services" in document else str)


def _reason(error: Any) -> str:  # noqa: ANN401 -- yaml.YAMLError, which is imported above alone
    """Return the reason and the place in one line, without the text of the place: it may be a secret."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}{getattr(error, 'problem', None) or 'it is not YAML'}"


def _loader() -> Any:  # noqa: ANN401 -- a class of PyYAML, which is imported above alone
    """Return YAML's safe loader, but scalars are texts, and Compose's own tags (!reset, !override) mean nothing."""
    import yaml  # noqa: PLC0415 -- as above

    kept = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:null")

    class Texts(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012 -- as PyYAML declares it
            first: [pair for pair in pairs if pair[0] in kept]
            for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }
        # The constructor for None refuses unknown tags; without it PyYAML ignores them.
        yaml_constructors = {tag: each for tag, each in yaml.SafeLoader.yaml_constructors.items() if tag}  # noqa: RUF012 -- as above

        def construct_document(self, node: Any) -> Any:  # noqa: ANN401 -- as above
            self.deep_construct = True  # so that a mapping that contains itself is an error
            return super().construct_document(node)

    return Texts
