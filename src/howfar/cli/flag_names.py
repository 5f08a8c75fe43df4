"""Write an error line in the words of the command line: flags and metavars, where Python's functions name parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from howfar.keywords import BackboneOptions
from howfar.options import FOLDED
from howfar.settings import declared

_VERBS: Final = "must|is|are|cannot|can|has|have|needs|need|names|name|and"
_ALONE: Final = r"(?<![\w/.='\"-]){}(?![\w/.='\"-])"
"""A word that is no part of a path, a value or another word."""
_BOTH: Final = re.compile(r"\b\w+=\w+ \((-[^()]*)\)")
"""A keyword with its flag behind it, as in ``partial=True (--partial)``."""
_KINDS: Final = {
    "valid integer": "a whole number",
    "valid number": "a number",
    "valid float": "a number",
    "valid boolean": "true or false",
}
"""What a value has to be, by words in typer's own line."""
_PASSED: Final = re.compile(r"""((?:pass|or) )(\w+)=['"]?(\w[\w.]*)['"]?""")
"""A keyword with its value in a remedy, as in ``pass size=224``."""


def flags_of(command: Any) -> dict[str, str]:
    """Return what the command line calls the parameters of a command: the longest flag, or an argument's metavar.

    Examples
    --------
    >>> from typer.main import get_command
    >>> from howfar.cli.main import app
    >>> flags = flags_of(get_command(app).commands["certify"])
    >>> flags["tuned_on"], flags["k"], flags["site"]
    ('--tuned-on', '-k', 'SITE')
    """
    return {
        parameter.name: max(parameter.opts, key=len)
        if parameter.param_type_name == "option"
        else str(parameter.metavar or parameter.name.upper()).partition("[")[0].rstrip(".")
        for parameter in command.params
        if parameter.name
    }


def without_keywords(line: str) -> str:
    """Name an option by its flag alone, where a line names it in Python's words too.

    Examples
    --------
    >>> without_keywords("3 images were left out: learnt=True (--learnt) scores them too")
    '3 images were left out: --learnt scores them too'
    """
    return _BOTH.sub(r"\1", line)


def in_flags(line: str, flags: Mapping[str, str]) -> str:
    """Replace the names of parameters in an error line by what the command line calls them.

    A name that is an everyday word is replaced at the beginning of the line alone, where it is the subject; one with an
    underscore everywhere, but in paths and values.

    Examples
    --------
    >>> flags = {"seed": "--seed", "older_than": "--older-than", "k": "-k", "partial": "--partial"}
    >>> in_flags("older_than must be a number of days, got -1", flags)
    '--older-than must be a number of days, got -1'
    >>> in_flags("k and seed are of no use here: leave the seed out, or pass partial=True (--partial)", flags)
    '-k and --seed are of no use here: leave the seed out, or pass --partial'
    >>> in_flags("size must be given, got None: pass size=224, or seed=1", flags | {"backbone_option": "--backbone-option"})
    'size must be given, got None: pass --backbone-option size=224, or --seed 1'
    >>> in_flags("prune must be told what is to go: older_than days of /data/older_than", flags)
    'prune must be told what is to go: --older-than days of /data/older_than'
    """
    line = _in_words_of_shell(without_keywords(line), flags)
    names = _alternatives(flags)
    if names:
        subject = re.compile(rf"(?:{names})(?:(?:, | and | or )(?:{names}))*(?= (?:{_VERBS})\b)")
        found = subject.match(line)
        if found:
            line = re.sub(rf"\b(?:{names})\b", lambda word: flags[word[0]], found[0]) + line[found.end() :]
    long = _alternatives([name for name in flags if "_" in name])
    return re.sub(_ALONE.format(f"(?:{long})"), lambda word: flags[word[0]], line) if long else line


def mistyped(error: Any, arguments: Sequence[str]) -> str:
    """Write typer's error about the command line in the form of the other lines, where a value was of a wrong kind."""
    said, parameter = str(error.format_message()), getattr(error, "param", None)
    rule = next((rule for words, rule in _KINDS.items() if words in said), "")
    if parameter is None or not rule:
        return said
    flags = list(getattr(parameter, "opts", ()))
    named = [(word.partition("=")[0], rest) for word, rest in zip(arguments, [*arguments[1:], ""], strict=True)]
    beside = [word.partition("=")[2] or rest for word, (flag, rest) in zip(arguments, named, strict=True) if flag in flags]
    name = max(flags, key=len) if parameter.param_type_name == "option" else str(parameter.metavar or parameter.name)
    return f"{name} must be {rule}, got {beside[-1]!r}" if beside else f"{name} must be {rule}"


def _in_words_of_shell(line: str, flags: Mapping[str, str]) -> str:
    """Write what a remedy says to pass as one types it: ``pass seed=1`` is ``pass --seed 1``."""

    def typed(found: re.Match[str]) -> str:
        before, name, value = found.groups()
        if name in flags and flags[name].startswith("-"):
            if value in ("True", "False"):
                return f"{before}{flags[name] if value == 'True' else flags[name].replace('--', '--no-', 1)}"
            return f"{before}{flags[name]} {value}"
        return f"{before}--backbone-option {name}={value}" if name in _folded() and "backbone_option" in flags else found[0]

    return _PASSED.sub(typed, line)


def _folded() -> tuple[str, ...]:
    return tuple(name for name, entry in declared(BackboneOptions).items() if entry.option.flags == FOLDED)


def _alternatives(names: Sequence[str] | Mapping[str, str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
