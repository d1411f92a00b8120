"""`--help`, as a newcomer reads it."""

import click
import pytest

from entrypoint.commands import commands


def help_of(command: click.Command) -> str:
    return command.get_help(click.Context(command, info_name=command.name, terminal_width=80, max_content_width=80))


@pytest.mark.parametrize("command", [commands, *commands.commands.values()], ids=lambda command: command.name)
def test_each_command_and_option_says_what_it_is(command: click.Command) -> None:
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    assert "``" not in help_of(command)


@pytest.mark.parametrize("command", commands.commands.values(), ids=lambda command: command.name)
def test_each_command_ends_with_an_example(command: click.Command) -> None:
    assert command.epilog
    assert command.epilog.startswith("Example")
    assert command.name == "serve" or f" {command.name}" in command.epilog


def test_the_line_of_each_command_is_whole() -> None:
    """click cuts a line that is too long, or ends it at the first full stop."""
    text = help_of(commands).partition("Commands:\n")[2]
    assert len(text.splitlines()) == len(commands.commands)
    assert "..." not in text


def test_the_commands_stand_in_the_order_of_their_use() -> None:
    text = help_of(commands)
    places = [text.index(f"\n  {name} ") for name in ("serve", "prepare", "check", "env", "health", "exec")]
    assert places == sorted(places)
