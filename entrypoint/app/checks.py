"""Runs Django's `check --deploy`, without a database, and checks that the static files can be collected."""

from typing import Any, Final

from django.core import checks

from entrypoint.app.packages import mismatches
from entrypoint.app.reporting import AgentError, Progress, count
from entrypoint.app.static import static
from entrypoint.protocol.agent import AgentResult, CheckRequest

_WORDS: Final = ((checks.ERROR, "error"), (checks.WARNING, "warning"), (checks.DEBUG, "note"))


def check(request: CheckRequest, progress: Progress) -> AgentResult:
    """Log each message that the project does not silence. Raises AgentError if one of them is an error."""
    found = [message for message in checks.run_checks(include_deployment_checks=True) if not message.is_silenced()]
    for message in sorted(found, key=lambda message: -message.level):
        progress(_line(message))
    errors = sum(message.level >= checks.ERROR for message in found)
    if errors:
        raise AgentError(f"cannot pass manage.py check --deploy: {count(errors, 'error')}", "failed")
    warnings = [f"warning: packages: {text}" for text in mismatches()]
    if request.collects and (obstacle := static.obstacle()):
        warnings.append(f"warning: cannot use STATIC_ROOT: {obstacle}")
    for text in warnings:
        progress(text)
    warned = sum(message.level >= checks.WARNING for message in found) + len(warnings)
    return AgentResult(f"no errors, {count(warned, 'warning')}")


def _line(message: Any) -> str:
    word = next(word for level, word in _WORDS if message.level >= level or level == checks.DEBUG)
    where = f"{message.obj}: " if message.obj is not None else ""
    hint = f" {message.hint}" if message.hint else ""
    return " ".join(f"{word}: {message.id or 'check'}: {where}{message.msg}{hint}".split())
