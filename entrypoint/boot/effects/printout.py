"""Print a plan: as text, as a patch against the files on disk, as JSON."""

import json
from collections.abc import Iterable
from pathlib import Path

from entrypoint.boot.decisions.folders.artifacts import File
from entrypoint.boot.plan.plan import Plan
from entrypoint.boot.settings.provenance import annotate
from entrypoint.boot.settings.reference import rows
from entrypoint.boot.settings.settings import Settings
from entrypoint.errors import NotAllowed, Unusable


def as_text(plan: Plan, settings: Settings) -> str:
    """Return each file; a comment names the source of each value that a setting decided."""
    return "".join(f"\n# ---- {file.path} ----\n{annotate(file.text, settings.origins)}" for file in plan.files)


def difference(files: Iterable[File]) -> str:
    """Return how the files on disk would change, as one patch. Raises NotAllowed or Unusable if one cannot be read."""
    import difflib  # noqa: PLC0415 -- takes 5 ms

    lines: list[str] = []
    for file in files:
        old, before = _on_disk(file)
        lines += difflib.unified_diff(_lines(old), _lines(file.text), before, str(file.path), lineterm="")
    return "".join(f"{line}\n" for line in lines)


def as_json(plan: Plan, settings: Settings) -> str:
    """Return the whole plan as one JSON document, with the exact text of each file."""
    document = {
        "steps": [{"name": step.name, "line": str(step)} for step in plan.steps],
        "files": [{"path": str(file.path), "source": file.source, "text": file.text} for file in plan.files],
        # Without the values that `entrypoint env` derives.
        "settings": [{"name": row.spec.name, "value": row.value, "origin": row.source} for row in rows(settings)],
        "exec": plan.exec.argv,
    }
    return json.dumps(document, indent=2) + "\n"


def _on_disk(file: File) -> tuple[str, str]:
    """Return the text on disk, and the file's name in the patch."""
    try:
        return Path(file.path).read_text(encoding="utf-8"), str(file.path)
    except FileNotFoundError:
        return "", "/dev/null"
    except UnicodeDecodeError as error:
        raise Unusable(f"cannot compare with {file.path}: it is not UTF-8 text") from error
    except OSError as error:
        raise NotAllowed(f"cannot read {file.path}: {error.strerror}") from error


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []
