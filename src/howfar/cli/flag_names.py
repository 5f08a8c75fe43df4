"""Write an error line in the words of the command line: flags and metavars, where Python's functions name parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_VERBS: Final = "must|is|are|cannot|can|has|have|needs|need|names|name|and"
_ALONE: Final = r"(?<![\w/.='\"-]){}(?![\w/.='\"-])"
"""A word that is no part of a path, a value or another word."""
_BOTH: Final = re.compile(r"\b\w+=\w+ \((-[^()]*)\)")
"""A keyword with its flag behind it, as in ``partial=True (--partial)``."""


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
    >>> in_flags("prune must be told what is to go: older_than days of /data/older_than", flags)
    'prune must be told what is to go: --older-than days of /data/older_than'
    """
    line = _BOTH.sub(r"\1", line)
    names = _alternatives(flags)
    if names:
        subject = re.compile(rf"(?:{names})(?:(?:, | and | or )(?:{names}))*(?= (?:{_VERBS})\b)")
        found = subject.match(line)
        if found:
            line = re.sub(rf"\b(?:{names})\b", lambda word: flags[word[0]], found[0]) + line[found.end() :]
    long = _alternatives([name for name in flags if "_" in name])
    return re.sub(_ALONE.format(f"(?:{long})"), lambda word: flags[word[0]], line) if long else line


def _alternatives(names: Sequence[str] | Mapping[str, str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
