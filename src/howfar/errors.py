"""Define howfar's exceptions: `HowfarError` and its subclasses, each of which is also a builtin one, such as ValueError."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

_BOUNDS: Final = {
    "greater_than": ("be above", "gt"),
    "greater_than_equal": ("be at least", "ge"),
    "less_than": ("be below", "lt"),
    "less_than_equal": ("be at most", "le"),
    "too_short": ("hold at least", "min_length"),
    "too_long": ("hold at most", "max_length"),
    "string_too_short": ("have a length of at least", "min_length"),
}
_KINDS: Final[Mapping[str, str | tuple[str, ...]]] = {
    "a finite number": "finite_number",
    "a whole number": "int_",
    "a number": "float_",
    "true or false": "bool_",
    "text": "string_type",
    "a path": "path_type",
    "a list": ("tuple_type", "list_type"),
    "a table of names and values": ("dict_type", "mapping_type", "model_", "dataclass_"),
}
"""Required kind of a value, and how pydantic's error types of it begin."""
_MARKED: Final = re.compile("\x02(\\w+)(?:=([^\x03]*))?\x03")
_NO_VALUE: Final = object()
_LONGEST: Final = 600
"""Characters of a value that an error repeats."""
_NAMES: Final = re.compile(r"\w+(?:(?:, | and | or )\w+)*")


def option(name: str, value: object = None) -> str:
    """Mark an option, and a value (CAPITALS: one of the user's), in an error: Python shows a keyword, a terminal a flag."""
    if value is None:
        return f"\x02{name}\x03"
    return f"\x02{name}={value if isinstance(value, str) and value.isupper() else repr(value)}\x03"


class HowfarError(Exception):
    """Report an error that howfar raises on purpose, in one clear line; base class of all others."""

    def __str__(self) -> str:
        return self.line({})

    def line(self, flags: Mapping[str, str]) -> str:
        """Return the line in the command line's words: `flags` maps an option's Python name to its flag, if it has one."""

        def spell(mark: re.Match[str]) -> str:
            name, value = mark.groups()
            flag = flags.get(name, "")
            if value is None:
                return flag or name
            if not flag.startswith("-"):
                return f"{flag or name}={value}"
            if value in ("True", "False"):
                return flag if value == "True" else flag.replace("--", "--no-", 1)
            return f"{flag}{'=' if ' ' in flag else ' '}{value.strip(chr(39))}"

        return _MARKED.sub(spell, super().__str__())


class InputError(HowfarError, ValueError):
    """Report an argument that breaks a rule: which argument, the rule, the value received and a remedy."""

    @classmethod
    def of(cls, argument: str, rule: str, received: object = _NO_VALUE, remedy: str = "") -> InputError:
        """Build the one-line error for a refused argument: its name, the rule ("must be at least 1"), value and remedy."""
        subject = re.sub(r"\w+", lambda name: option(name[0]), argument) if _NAMES.fullmatch(argument) else argument
        value = repr(received)
        value = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
        line = f"{subject} {rule}" if received is _NO_VALUE else f"{subject} {rule}, got {value}"
        return cls(f"{line}: {remedy}" if remedy else line)


def check_at_least(least: int, **values: float | None) -> None:
    """Raise `InputError` for the first value, but None, that is below `least`."""
    for name, value in values.items():
        if value is not None and value < least:
            raise InputError.of(name, f"must be at least {least}", value)


def check_choice(name: str, value: object, allowed: Collection[str]) -> None:
    """Raise `InputError` for a value that is none of those `allowed`."""
    if value not in allowed:
        raise InputError.of(name, f"must be one of {', '.join(allowed)}", value)


class UnknownNameError(HowfarError, LookupError):
    """Report a name that is not registered; the line lists the known names and the nearest."""


class MissingPathError(HowfarError, FileNotFoundError):
    """Report a folder or file that the caller named but that does not exist."""


class ImageError(HowfarError, ValueError):
    """Report an image that cannot be used; the text is the reason, without the path."""


class LeakError(HowfarError, RuntimeError):
    """Report an attempt to evaluate an image that a study's model learnt from."""


class MissingExtraError(HowfarError, ImportError):
    """Report a missing optional library; the line names the command that installs it."""


class StoreError(HowfarError, RuntimeError):
    """Report a store on disk that is of another format, is damaged, or cannot hold a value."""


class RunnerError(HowfarError, RuntimeError):
    """Report tasks that could not run on their cluster: it is out of reach or has lost a task for good."""


@contextmanager
def blaming(
    subject: str, kind: type[Exception] | tuple[type[Exception], ...] = InputError, refusal: type[HowfarError] = InputError
) -> Iterator[None]:
    """Raise an error of these kinds in the block as a `refusal` whose line begins with its subject."""
    try:
        yield
    except kind as error:
        raise refusal(f"{subject}: {error}") from error


@contextmanager
def needing(line: str, refusal: type[HowfarError] = MissingExtraError) -> Iterator[None]:
    """Raise a `refusal` with this line where an import in the block fails; the line names the command that installs it."""
    try:
        yield
    except ImportError as error:
        raise refusal(f"{line} ({error})" if refusal is MissingExtraError else line) from error


def one_line(error: object, most: int = 160) -> str:
    r"""Return an error's text as one printable line of at most `most` characters; its type's name if it has no text."""
    text = "".join(character if character.isprintable() else " " for character in str(error))
    line = re.sub(r"^\[Errno -?\d+\] ", "", " ".join(text.split())) or type(error).__name__
    return line if len(line) <= most else f"{line[: most - 1]}…"


def rule_broken(error: Mapping[str, Any]) -> str:
    """Say which rule a value broke, after its argument's name, for an entry of pydantic's ``ValidationError.errors()``."""
    context, text = error.get("ctx", {}), str(error["msg"])
    if error["type"] in _BOUNDS:
        words, bound = _BOUNDS[error["type"]]
        limit = context[bound]
        return f"must {words} {int(limit) if float(limit).is_integer() else limit}"
    if error["type"] == "literal_error":
        return f"must be {str(context['expected']).replace(chr(39), '')}"
    for words, starts in _KINDS.items():
        if str(error["type"]).startswith(starts):
            return f"must be {words}"
    text = text.removeprefix("Value error, ")
    words = text.rstrip(".").partition(" is not one of ")[2].replace("'", "")
    return f"must be {'one of ' * (', ' in words)}{words}" if words else f"is refused ({text})"
