"""The error that `nginx -t` reports about the configuration, with its remedy."""

import re
from pathlib import PurePath, PurePosixPath
from typing import Final

from entrypoint.boot.decisions.folders.artifacts import File
from entrypoint.boot.facts.user_files import HTTP_FOLDER, SERVER_FOLDER
from entrypoint.boot.plan.check_steps import ValidateNginx

_WHERE: Final = re.compile(r" in (?P<path>/\S+):(?P<line>\d+)$")
_EMERGENCY: Final = re.compile(r"^.*\[emerg\] (\d+#\d+: )?")
_TAKEN: Final = re.compile(r'"(?P<directive>\w+)" directive is duplicate|(a )?duplicate ')
_MISPLACED: Final = re.compile(r'"\w+" directive is not allowed here')


def nginx_fault(output: str, step: ValidateNginx) -> str:
    """Return the error in nginx's output as one line: the file, nginx's reason, and the remedy."""
    message = next((line for line in output.splitlines() if "[emerg]" in line), output.strip())
    message = _EMERGENCY.sub("", message)
    if step.tls and (why := _tls_fault(message, *step.tls)):
        return why
    where = _WHERE.search(message)
    if where is None:
        return f"cannot use {step.files[0].path}: {message}"
    why = message[: where.start()]
    for file in step.files:
        if str(file.path) == where["path"]:
            line = file.text.split("\n")[int(where["line"]) - 1].strip()  # empty at an unexpected end of file
            says = f"; it says: {line}" if line else ""
            return f"cannot use {file.path}, from {file.source}: {why}{_of_ours(why, file, step)}{says}"
    path = PurePosixPath(where["path"])
    return f"cannot use {path}: {why} in line {where['line']}{_remedy(why, path, step)}"


def _of_ours(why: str, file: File, step: ValidateNginx) -> str:
    """Name the user's files that may set the same directive. nginx reads them first, and reports our line."""
    if "/" in file.source or not step.http_files or not _TAKEN.match(why):
        return ""
    return f", {' or '.join(map(str, step.http_files))} sets it too; delete it there, or move it to {SERVER_FOLDER}"


def _remedy(why: str, path: PurePosixPath, step: ValidateNginx) -> str:
    """Return the remedy for an error in one of the user's files, or an empty text."""
    taken, misplaced = _TAKEN.match(why), _MISPLACED.match(why)
    remedy = ""
    if path in step.http_files:
        if misplaced:
            remedy = f"; this folder is for the http block, {SERVER_FOLDER} is for the server block"
        elif taken and taken["directive"]:
            remedy = f"; {_instead(taken['directive'], step)}"
    elif path in step.server_files:
        if misplaced:
            remedy = f"; this folder is for the server block, {HTTP_FOLDER} is for the http block"
        elif taken:
            remedy = "; to replace what entrypoint writes, put a template of your own into ENTRYPOINT_CONF_DIR"
    return remedy


def _instead(directive: str, step: ValidateNginx) -> str:
    """Return the remedy for a directive that our file already has. A comment in our file names its setting."""
    ours = "\n".join(file.text for file in step.files)
    setting = re.search(rf"^\s*{directive} .*;  # (?P<name>[A-Z_]+)$", ours, re.MULTILINE)
    if setting:
        return f"set {setting['name']} instead, or move the line to {SERVER_FOLDER}"
    if "_hash_" in directive:  # allowed in the http block only
        return "delete the line: entrypoint sets it"
    return f"entrypoint sets it: delete the line, or move it to {SERVER_FOLDER}"


def _tls_fault(message: str, certificate: PurePath, key: PurePath) -> str | None:
    """Explain an error of the user's certificate or key, where nginx repeats OpenSSL; None for any other error."""
    named_certificate, named_key = f"NGINX_TLS_CERTIFICATE={certificate}", f"NGINX_TLS_KEY={key}"
    if "key values mismatch" in message and f'"{key}"' in message:
        return f"cannot use {named_key}: it is not the key of {named_certificate}; set both to one pair"
    if message.startswith(f'cannot load certificate key "{key}"'):
        if "password" in message or "passphrase" in message:
            return f"cannot use {named_key}: it is encrypted; write it without: openssl pkey -in {key} -out FILE"
        return f"cannot use {named_key}: it is not a private key in PEM format"
    if message.startswith(f'cannot load certificate "{certificate}"'):
        return f"cannot use {named_certificate}: it is not a certificate in PEM format"
    return None
