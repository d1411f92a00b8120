"""The code in the pages can be read by its program, links lead somewhere, and settings exist."""

import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import yaml
from printed import CHECKED, PAGES, README, ROOT, Block, blocks, every_block

from entrypoint.boot.files.render import conf_dir
from entrypoint.boot.settings.settings import Settings, setting_specs

REPOSITORY = "https://github.com/entrypoint-toolkit/entrypoint-toolkit/blob/main/"
PICTURES = "https://raw.githubusercontent.com/entrypoint-toolkit/entrypoint-toolkit/main/"
OTHERS = (
    *ROOT.glob("*.md"),
    ROOT / "bench/README.md",
    ROOT / "tests/golden/README.md",
    *ROOT.glob("examples/*/README.md"),
)
LINKING = sorted({*PAGES, *OTHERS})
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
NAME = re.compile(r"\b(?:ENTRYPOINT|NGINX)_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_<])")
NO_SETTINGS = {
    "ENTRYPOINT_MIGRAET",  # the example of a mistake
    "ENTRYPOINT_MIGRATED",  # what a hook gets
    "NGINX_MAX_UPLOAD",  # the name of another image
}
LONGEST_README = 150
OUTPUT = ""  # the language of a block with the output of a program
NOT_RUN = 19  # blocks; before you raise it, try whether the block can be run


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


# ---- links


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def targets(page: Path) -> dict[str, tuple[Path, str]]:
    """Return each link of a page to a file of the project, with that file and the anchor in it."""
    found: dict[str, tuple[Path, str]] = {}
    for link in chain.from_iterable(LINK.findall(page.read_text(encoding="utf-8"))):
        path, _, anchor = link.removeprefix(REPOSITORY).removeprefix(PICTURES).partition("#")
        if link and not path.startswith(("http://", "https://", "data:", "mailto:")):
            folder = ROOT if link.startswith((REPOSITORY, PICTURES)) else page.parent
            found[link] = (folder / path if path else page, anchor)
    return found


@pytest.mark.parametrize("page", LINKING, ids=relative)
def test_each_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    wrong = {
        link
        for link, (path, anchor) in targets(page).items()
        if not path.exists() or (anchor and anchor not in anchors(path))
    }
    assert wrong == set()


def test_the_readme_has_no_relative_link_because_a_package_index_shows_it_too() -> None:
    assert {link for link in targets(README) if not link.startswith((REPOSITORY, PICTURES))} == set()


def test_the_index_lists_every_page() -> None:
    listed = {path.resolve() for path, _ in targets(ROOT / "docs/README.md").values()}
    pages = {page for page in PAGES if not page.is_relative_to(ROOT / "docs/decisions")}
    assert pages - listed == {ROOT / "docs/README.md"}


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST_README


# ---- settings


@pytest.mark.parametrize("page", LINKING, ids=relative)
def test_each_setting_that_a_page_names_exists(page: Path) -> None:
    known = {name for spec in setting_specs() for name in spec.names} | NO_SETTINGS
    found = NAME.findall(page.read_text(encoding="utf-8"))
    named = {name if name in known else name.removesuffix("_FILE") for name in found}
    assert {name for name in named if name not in known and not name.startswith("ENTRYPOINT_PROGRAM_")} == set()


# ---- blocks of code


def test_a_block_is_run_or_says_why_not() -> None:
    silent = [str(block) for block in every_block() if block.language not in {*CHECKED, OUTPUT} and not block.reason]
    assert silent == []


def test_few_blocks_are_not_run() -> None:
    not_run = [str(block) for block in every_block() if block.reason]
    assert len(not_run) == NOT_RUN, not_run


def test_blocks_of_output_contain_no_command() -> None:
    hidden = [
        block for block in every_block() if block.language == OUTPUT and re.search(r"^\$ ", block.text, re.MULTILINE)
    ]
    assert hidden == []


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_the_settings_can_be_read(block: Block, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(block.text, encoding="utf-8")
    Settings.read({"ENTRYPOINT_APP_DIR": str(tmp_path)})  # it raises Unusable for what it cannot use


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_the_python_can_be_compiled(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_the_yaml_is_a_mapping(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_the_shell_can_parse(block: Block) -> None:
    done = subprocess.run(["sh", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("block", blocks("html"), ids=str)
def test_the_lines_stand_in_our_starting_page(block: Block) -> None:
    page = (conf_dir() / "starting.html").read_text(encoding="utf-8")
    assert [line for line in block.text.splitlines() if line not in page] == []


@pytest.mark.parametrize(
    "target", [line.split()[1] for b in blocks("console") for line in b.commands if "make " in line]
)
def test_make_has_the_target(target: str) -> None:
    done = subprocess.run(
        ["make", "-n", target, f"PYTHON={sys.executable}"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
