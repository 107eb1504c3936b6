"""``amorsize completion``: scripts for shells, made from the parsers of all commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from amorsize.cli.commands import COMMANDS, load_command
from amorsize.cli.exit_codes import OK, USAGE
from amorsize.cli.run_options import BACKENDS

TEXT = """\
Print a completion script.

bash and zsh: eval "$(amorsize completion SHELL)"
fish:         amorsize completion fish | source
"""
EPILOG = ""
ENDINGS = {USAGE: "wrong usage"}
SUGGESTED = {"--backend": BACKENDS}
"""Values to offer for options that take further ones."""
FILE = "FILE"
"""The metavar of an option whose value is a path."""
BASH = """\
_amorsize() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" words
    local before="${{COMP_WORDS[COMP_CWORD-1]}}"
    COMPREPLY=()
    case "$before" in
{values}
        {files}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
    case "${{COMP_WORDS[1]}}" in
{words}
    esac
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands} --help --version"
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _amorsize amorsize"""
"""The function that completes in bash; braces are doubled for ``str.format``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(options: argparse.Namespace) -> int:
    """``amorsize completion``."""
    commands = {name: load_command(name)[0] for name in COMMANDS}
    make = {"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell]
    print(make(commands))
    return OK


class _Option:
    """What a shell should know of an option."""

    def __init__(self, action: argparse.Action) -> None:
        self.names = list(action.option_strings)
        choices = SUGGESTED.get(self.names[-1]) or action.choices or ()
        self.values = [str(choice) for choice in choices]
        self.is_file = action.metavar == FILE
        self.help = (action.help or "").replace("'", "")


def _options(parser: argparse.ArgumentParser) -> Iterator[_Option]:
    return (_Option(action) for action in parser._actions if action.option_strings)


def _words(parser: argparse.ArgumentParser) -> list[str]:
    """The words, not options, that the command takes: known ones only."""
    actions = [action for action in parser._actions if not action.option_strings]
    return [str(choice) for action in actions for choice in action.choices or ()]


def _bash(commands: dict[str, argparse.ArgumentParser]) -> str:
    words, values = [], {}
    files: dict[str, None] = {}  # as a set that keeps its order
    for command, parser in commands.items():
        offered = []
        for option in _options(parser):
            offered += option.names
            if option.values:
                values["|".join(option.names)] = " ".join(option.values)
            if option.is_file:
                files |= dict.fromkeys(option.names)
        words.append(f'        {command}) words="{" ".join(offered + _words(parser))}" ;;')
    before = [
        f'        {names}) COMPREPLY=($(compgen -W "{choices}" -- "$current")); return ;;'
        for names, choices in values.items()
    ]
    return BASH.format(
        values="\n".join(before),
        files="|".join(files),
        words="\n".join(words),
        commands=" ".join(commands),
    )


def _zsh(commands: dict[str, argparse.ArgumentParser]) -> str:
    """The function for bash, through zsh's own bridge."""
    start = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u -D }"
    return "\n".join([start, "autoload -Uz bashcompinit && bashcompinit", _bash(commands)])


def _fish(commands: dict[str, argparse.ArgumentParser]) -> str:
    top = "complete -c amorsize -n __fish_use_subcommand"
    lines = [
        "complete -c amorsize -f",
        f"{top} -a '{' '.join(commands)}'",
        f"{top} -l help -l version",
    ]
    for command, parser in commands.items():
        inside = f"complete -c amorsize -n '__fish_seen_subcommand_from {command}'"
        for option in _options(parser):
            line = inside
            for name in option.names:
                line += f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
            if option.values:
                line += f" -x -a '{' '.join(option.values)}'"
            elif option.is_file:
                line += " -r -F"
            lines.append(f"{line} -d '{option.help}'" if option.help else line)
        if words := _words(parser):
            lines.append(f"{inside} -a '{' '.join(words)}'")
    return "\n".join(lines)
