"""The documents of a manifest. All scalars are texts: a port or a duration is spelt in many ways, and we parse it."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from entrypoint.boot.settings.types.values import shown
from entrypoint.errors import NotAllowed, Unusable

STDIN: Final = "-"
_LARGEST: Final = 16 << 20  # bytes
_MOST: Final = 1_000_000  # values: an alias of aliases of aliases stands for any number of them
_MISSING: Final = "PyYAML is not installed; pip install PyYAML, or give the file as JSON"


class Manifest(NamedTuple):
    """One file."""

    name: str
    folder: Path
    """The folder to which paths in the file are relative."""
    documents: Sequence[Mapping[str, Any]]


def read(name: str) -> Manifest:
    """Return the documents of the file, or of stdin if the name is `-`. Raises NotAllowed or Unusable."""
    text = _text(name)
    documents = [each for each in _parsed(name, text) if each]
    if not documents:
        raise Unusable(f"cannot use {_shown(name)}: it is empty")
    if _size(documents, {}) > _MOST:
        raise Unusable(f"cannot use {_shown(name)}: its aliases stand for more than {_MOST} values")
    if not all(isinstance(each, dict) for each in documents):
        raise Unusable(f"cannot use {_shown(name)}: it is not a manifest, which is a mapping of keys")
    return Manifest(_shown(name), Path() if name == STDIN else Path(name).parent, documents)


def _shown(name: str) -> str:
    return "stdin" if name == STDIN else shown(name)


def _text(name: str) -> str:
    try:
        if name == STDIN:
            return sys.stdin.buffer.read(_LARGEST).decode()
        path = Path(name)
        if path.is_dir():
            raise Unusable(
                f"cannot read {shown(name)}: it is a folder; name its files, or run "
                f"kubectl kustomize {shown(name)} | entrypoint check --manifest -"
            )
        with path.open("rb") as opened:
            return opened.read(_LARGEST).decode()
    except UnicodeDecodeError:
        raise Unusable(f"cannot read {_shown(name)}: it is not UTF-8 text") from None
    except PermissionError as error:
        raise NotAllowed(f"cannot read {shown(name)}: {error.strerror}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise Unusable(f"cannot read {shown(name)}: {getattr(error, 'strerror', None) or error}") from error


def _parsed(name: str, text: str) -> list[Any]:
    if text.lstrip().startswith("{"):
        try:
            return [json.loads(text, parse_int=str, parse_float=str)]
        except (ValueError, RecursionError):
            pass  # it may be YAML
    try:
        import yaml  # noqa: PLC0415 -- an extra, which no boot needs
    except ImportError:
        raise Unusable(f"cannot read {_shown(name)}: {_MISSING}") from None
    try:
        return list(yaml.load_all(text, _loader()))
    except yaml.YAMLError as error:
        template = "; it is a template, render it first: helm template . | entrypoint check --manifest -"
        raise Unusable(f"cannot read {_shown(name)}: {_reason(error)}{template if '{{' in text else ''}") from error
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else "a value is not of its type"
        raise Unusable(f"cannot read {_shown(name)}: {why}") from error


def _size(value: Any, sizes: dict[int, int]) -> int:  # noqa: ANN401 -- any value of YAML
    """Return how many values it holds, each as often as it is in there; `sizes` has those of the lists and mappings."""
    if not isinstance(value, list | dict):
        return 1
    if id(value) not in sizes:
        within = value.values() if isinstance(value, dict) else value
        sizes[id(value)] = 1 + sum(_size(each, sizes) for each in within)
    return sizes[id(value)]


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

        def construct_document(self, node: Any) -> Any:  # noqa: ANN401 -- as above
            self.deep_construct = True  # so that a mapping that contains itself is an error
            return super().construct_document(node)

    def plain(loader: Any, _tag: str, node: Any) -> Any:  # noqa: ANN401 -- as above
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_scalar(node)

    Texts.add_multi_constructor("!", plain)
    return Texts
