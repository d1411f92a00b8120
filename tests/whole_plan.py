"""A whole plan as text, and as the difference to another plan."""

import dataclasses
import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from entrypoint.boot.decisions.folders.artifacts import File
from entrypoint.boot.decisions.programs.programs import Program
from entrypoint.boot.plan.file_steps import WriteFiles
from entrypoint.boot.plan.plan import Plan
from entrypoint.protocol.probe import Probe
from entrypoint.protocol.supervision import ApplicationConfig, ProgramConfig, RequestConfig, StopChildren

_OF_A_PROGRAM = (Program, ProgramConfig, RequestConfig, StopChildren, ApplicationConfig)
"""A value of these classes is printed without the fields that have their default."""

Sections = dict[str, list[str]]


def sections(plan: Plan) -> Sections:
    """Return the lines of each part of the plan: the steps, the exec, and each file that is written by its name.

    The run directory, which differs from plan to plan, is a part of its own and stands as RUN in all the others. Of a
    file that is written twice the first text is there as what differs from the last one.
    """
    run = str(plan.exec.handover.parent)
    found = {
        "steps": [line for step in plan.steps for line in _step(step)],
        "exec": [line for name, value in plan.exec._asdict().items() for line in _field(name, value)],
        **{f"file {file.path.name}": _file(file) for file in plan.files},
    }
    for step in plan.steps:
        if isinstance(step, WriteFiles) and step.name != "render":
            for file in step.files:
                changes = list(_changes(found.get(f"file {file.path.name}", []), _file(file)))
                found[f"file {file.path.name}, as written before the application is loaded"] = changes
    return {"run directory": [run], **{name: [line.replace(run, "RUN") for line in found[name]] for name in found}}


def as_text(plan: Sections) -> str:
    """Return the whole plan, and the defaults that a program in this and in every other plan leaves out."""
    defaults = [f"{each.__name__}: {_line(_defaults(each))}" for each in _OF_A_PROGRAM]
    parts = {**plan, "defaults of a program": defaults}
    return "".join(f"==== {name}\n{_joined(lines)}" for name, lines in parts.items())


def as_difference(base: Sections, plan: Sections) -> str:
    """Return what differs from `base`: the lines that are added and removed, and nothing where two parts are equal."""
    parts = []
    for name in (*plan, *(name for name in base if name not in plan)):
        if name not in plan:
            parts.append(f"==== {name} is not there\n")
        elif base.get(name) != plan[name]:
            parts.append(f"==== {name}\n{_joined(_changes(base.get(name, []), plan[name]))}")
    return "".join(parts)


def _changes(old: list[str], new: list[str]) -> Iterator[str]:
    lines = difflib.unified_diff(old, new, n=0, lineterm="")
    for line in list(lines)[2:]:
        yield "@@" if line.startswith("@@") else line  # without the numbers, which change with lines far above


def _file(file: File) -> list[str]:
    return [f"source: {file.source}", *file.text.splitlines()]


def _step(step: Any) -> Iterator[str]:
    yield f"{step.name}: {step}"
    for name, value in step._asdict().items():
        if name not in ("name", "line") and not (name == "files" and isinstance(step, WriteFiles)):
            yield from (f"    {line}" for line in _field(name, value))


def _field(name: str, value: object) -> Iterator[str]:
    """Yield a line, or one for each variable of an environment."""
    if name == "environment" and isinstance(value, Mapping):
        yield from (f"environment {variable}: {_line(value[variable])}" for variable in sorted(value))
    else:
        yield f"{name}: {_line(value)}"


def _line(value: object) -> str:
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return a value of a plan as JSON has it; a secret is as its own class shows it."""
    if isinstance(value, File | Probe):  # all else of a probe is parsed from its text
        return str(value.path) if isinstance(value, File) else value.text
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if (fields := _fields(value)) is not None:
        return {name: _plain(each) for name, each in fields.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _fields(value: Any) -> dict[str, Any] | None:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        found: dict[str, Any] = value._asdict()
    elif dataclasses.is_dataclass(value):
        found = {each.name: getattr(value, each.name) for each in dataclasses.fields(value) if each.repr}
    else:
        return None
    defaults = _defaults(type(value)) if isinstance(value, _OF_A_PROGRAM) else {}
    return {name: each for name, each in found.items() if name not in defaults or defaults[name] != each}


def _defaults(kind: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(kind):
        return {each.name: each.default for each in dataclasses.fields(kind) if each.default is not dataclasses.MISSING}
    return dict(kind._field_defaults)


def _joined(lines: Any) -> str:
    return "".join(f"{line}\n" for line in lines)
