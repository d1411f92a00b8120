"""Quoted words of configuration files; supervisord's own parser reads each file back."""

import random
import shlex
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from supervisor.options import ServerOptions

from entrypoint.boot.files import quote
from entrypoint.errors import Unusable

WORDS = [
    ["/usr/sbin/nginx", "-c", "/run/nginx.conf"],
    ["/with space/nginx"],
    ["it's", '"quoted"', "back\\slash", "\\"],
    ["100%", "%(ENV_PATH)s", "%%"],
    ["%(here)s", "'%(here)s'"],
    ["$HOME", "`id`", "$(id)", "a&&b", "a|b", "<", ">"],
    ["semi;colon", "hash#tag", ";", "#"],
    ["", "-"],
    ["{}", "[x]", "*", "?", "~", "!"],
    ["ünïcode", "日本", "\u00a0"],
    ["a=b", "a:b", "a,b"],
    [" leading", "trailing "],
    ["a ; b"],
    ["a # b"],
]


def read_back(command: str, file: Path) -> list[str]:
    """Return the words that supervisord would run."""
    include = f"[include]\nfiles = {file.parent}/none/*.conf\n"  # with it, %(here)s is replaced first
    program = f"[program:it]\ncommand = {command}\nautorestart = true\n"
    file.write_text(f"[supervisord]\n{include}{program}", encoding="utf-8")
    options = ServerOptions()
    options.realize(["-c", str(file)])
    (group,) = options.process_group_configs
    (program,) = group.process_configs
    return shlex.split(program.command)


def supervisord_word(text: str) -> str:
    return quote.supervisord([text])


def hostile_words(seed: int) -> list[str]:
    """Return a command of words from the characters that some parser on the way reads in its own manner."""
    dice = random.Random(seed)
    return ["x", *("".join(dice.choices("ab \\'\";#%$()[]{}=:,ü", k=dice.randint(0, 6))) for _ in range(4))]


@pytest.mark.parametrize("words", WORDS, ids=str)
def test_supervisord_reads_a_command_as_it_was(words: list[str], tmp_path: Path) -> None:
    assert read_back(quote.supervisord(words), tmp_path / "supervisord.conf") == words


def test_supervisord_reads_hundreds_of_hostile_commands_as_they_were(tmp_path: Path) -> None:
    for words in map(hostile_words, range(300)):
        assert read_back(quote.supervisord(words), tmp_path / "supervisord.conf") == words


@pytest.mark.parametrize(
    "name", ["with space", "100%", "%(here)d", "semi;colon", "it's", '"quoted"', "#hash", "ünïcode"]
)
def test_supervisord_enters_a_folder_as_it_is_written(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    file = tmp_path / "supervisord.conf"
    line = f"directory = {quote.supervisord_value(folder)}\n"
    file.write_text(f"[supervisord]\n[program:it]\ncommand = true\n{line}", encoding="utf-8")
    options = ServerOptions()
    options.realize(["-c", str(file)])
    (program,) = options.process_group_configs[0].process_configs
    assert program.directory == str(folder)


LOGS = [
    "app.log",
    "with space.log",
    "100%.log",
    "a.%d",
    "%(here)d",
    "%%",
    "semi;colon",
    "it's",
    '"quoted"',
    "#hash",
    "ü",
]


@pytest.mark.parametrize("name", [*LOGS, ".log", "a .log", "a.b.log"])
@pytest.mark.parametrize(("replicas", "numbers"), [(1, [""]), (2, ["_00", "_01"])])
def test_supervisord_logs_to_the_files_that_are_named(
    name: str, replicas: int, numbers: list[str], tmp_path: Path
) -> None:
    log = PurePosixPath(tmp_path / name)
    line = f"stdout_logfile = {quote.supervisord_logfile(log, replicas)}\n"
    several = f"numprocs = {replicas}\nprocess_name = %(program_name)s_%(process_num)02d\n"
    file = tmp_path / "supervisord.conf"
    file.write_text(f"[supervisord]\n[program:it]\ncommand = true\n{several}{line}", encoding="utf-8")
    options = ServerOptions()
    options.realize(["-c", str(file)])
    found = [program.stdout_logfile for program in options.process_group_configs[0].process_configs]
    assert found == [f"{tmp_path}/{log.stem}{number}{log.suffix}" for number in numbers]


@pytest.mark.parametrize("name", ["a ; b", "a #b", "%(here)s", "end "])
@pytest.mark.parametrize("write", [quote.supervisord_value, quote.supervisord_logfile])
def test_a_path_that_supervisord_would_change_is_refused(write: Callable[[PurePosixPath], str], name: str) -> None:
    with pytest.raises(Unusable, match=r"into supervisord\.conf: its parser would "):
        write(PurePosixPath("/srv", name))


@pytest.mark.parametrize("write", [quote.nginx, quote.uwsgi, supervisord_word])
@pytest.mark.parametrize("text", ["a\nb", "\r", "\t", "\0", "\x1b", "\x7f", "caf\udce9"], ids=ascii)
def test_a_control_character_reaches_no_file(text: str, write: Callable[[str], str]) -> None:
    with pytest.raises(Unusable) as caught:
        write(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("/srv/static/", '"/srv/static/"'),
        ("with space; {brace} # hash", '"with space; {brace} # hash"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("it's", '"it\'s"'),
        ("", '""'),
    ],
)
def test_nginx_gets_a_quoted_string(text: str, quoted: str) -> None:
    assert quote.nginx(text) == quoted


@pytest.mark.parametrize("text", ["$", "/srv/$host/", "a$$b"])
def test_a_dollar_is_refused_for_nginx_would_expand_it(text: str) -> None:
    with pytest.raises(Unusable, match="nginx would expand its"):
        quote.nginx(text)


@pytest.mark.parametrize("text", ["100%", "$(HOME)", "@(/etc/passwd)", " leading", "trailing "])
def test_text_that_uwsgi_would_expand_or_cut_is_refused(text: str) -> None:
    with pytest.raises(Unusable, match="uWSGI cannot quote it"):
        quote.uwsgi(text)


@pytest.mark.parametrize("text", ["/srv/my app", "a;b", "a # b", "'q'", '"q"', "$HOME", "a@b", "(x)", "ü"])
def test_text_that_uwsgi_takes_literally_passes(text: str) -> None:
    assert quote.uwsgi(text) == text


@pytest.mark.parametrize("path", ["/run/a ", "/run/a\u00a0", "/run/a ;b", "/run/a #b", "/run/a\nb"])
def test_a_value_that_supervisord_would_cut_is_refused(path: str) -> None:
    with pytest.raises(Unusable, match=r"into supervisord\.conf"):
        quote.supervisord_value(path)
