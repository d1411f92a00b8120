"""A copy of the tests' Python environment that a user without rights can run.

The environment, the interpreter that it borrows from, or the working copy may lie where nobody but root goes, as in
/root. A test that runs something as another user then runs a copy of all this.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOBODY = 65534
_NOT_OF_PYTHON = shutil.ignore_patterns(
    "test", "idlelib", "tkinter", "ensurepip", "lib2to3", "config-*", "site-packages"
)
_NOT_OF_THE_PACKAGES = shutil.ignore_patterns("mypy", "mypyc", "*__mypyc*", "pip", "*_editable_impl_*")


def anybody_runs(python: str | Path, code: str = "import entrypoint, django") -> bool:
    """Return whether a user without rights can run this interpreter; only root can ask."""
    run = [str(python), "-c", code]
    try:
        return not subprocess.run(
            run, cwd="/", env={}, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False
        ).returncode
    except OSError:
        return False


def copy_environment(to: Path) -> None:
    """Copy the environment of this interpreter, with the toolkit, into the folder `to`."""
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    if not anybody_runs(base, ""):
        base = _copy_interpreter(base, to.with_name(f"{to.name}-base"))
    subprocess.run([base, "-m", "venv", "--without-pip", to], check=True)
    (packages,) = to.glob("lib/python*/site-packages")
    shutil.copytree(sysconfig.get_path("purelib"), packages, ignore=_NOT_OF_THE_PACKAGES, dirs_exist_ok=True)
    shutil.copytree(ROOT / "entrypoint", packages / "entrypoint", dirs_exist_ok=True)
    shutil.copytree(ROOT / "conf", packages / "entrypoint" / "conf", dirs_exist_ok=True)
    for script in Path(sys.executable).parent.iterdir():
        text = b"" if script.is_dir() else script.read_bytes()
        if text.startswith(b"#!"):
            copy = to / "bin" / script.name
            copy.write_bytes(text.replace(os.fsencode(sys.prefix), os.fsencode(to)))
            copy.chmod(0o755)
    _open_to_all(to)


def _copy_interpreter(executable: Path, to: Path) -> Path:
    """Copy an interpreter with its library and the standard library; return its executable."""
    base = executable.parent.parent
    standard = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(standard, to / "lib" / standard.name, ignore=_NOT_OF_PYTHON)
    for library in (base / "lib").glob("libpython*.so*"):
        shutil.copy2(library, to / "lib")
    copy = to / "bin" / executable.name
    copy.parent.mkdir()
    # The executable contains the folder of its library. It is overwritten, because the copy lies elsewhere.
    place = os.fsencode(base / "lib") + b"\0"
    copy.write_bytes(executable.read_bytes().replace(place, b"$ORIGIN/../lib".ljust(len(place), b"\0")))
    copy.chmod(0o755)
    _open_to_all(to)
    return copy


def _open_to_all(folder: Path) -> None:
    """Let everyone read what the owner can: the umask may have been a strict one."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
