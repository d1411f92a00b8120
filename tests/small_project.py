"""A Django project of a few modules in one folder."""

from pathlib import Path

_MANAGE = """
import os, sys
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
execute_from_command_line(sys.argv)
"""


def write_small_project(folder: Path, **modules: str) -> Path:
    """Write manage.py and the modules, of which `settings` is one; return the folder."""
    folder.mkdir(exist_ok=True)
    for name, text in {"manage": _MANAGE, **modules}.items():
        (folder / f"{name}.py").write_text(text)
    return folder
