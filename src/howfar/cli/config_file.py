"""Read default values of command-line options from a project's howfar.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, get_args

from howfar import options_by_function
from howfar.errors import InputError, MissingPathError, one_line
from howfar.option_checks_and_signatures import declared, nearest, refuse_empty
from howfar.options import FOLDED, HIDDEN

NAME = "howfar.toml"
NONE = "none"
_OF_A_COMMAND = ("out", "model", "predictions", "flipped", "ensemble", "truth", "weights", "background", "keep", "way")
"""Options whose meaning differs between commands or calls: only a command's own table may hold them."""
_BY_ITSELF = ("study",)
"""Commands with a settings file of their own, which shared defaults must not override."""
_WITH_TABLES: Mapping[str, Collection[str]] = dict.fromkeys(("score", "check", "watch"), ("columns", "classes"))
"""Options that a command refuses without a table of predictions: shared defaults must not set them."""
_NOT_HERE = ("config", "help", "help_all")


@dataclass(frozen=True)
class Config:
    """Hold a file's defaults: shared ones, each command's own table, and those `used` by the running command, by flag."""

    file: Path | None = None
    shared: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    used: dict[str, Any] = field(default_factory=dict)
    context: Any = None
    """Of the command that runs."""
    current: ClassVar[Config]
    """The file of the command that runs."""

    @classmethod
    def read(cls, name: str | None, folder: Path | None = None) -> Config:
        """Read the named file, nothing for ``none``, or the nearest from `folder` (this one) up to the repository's root."""
        if name == NONE:
            return cls()
        if name is None:
            # The nearest file up to the repository's root; outside a repository, in the folder alone.
            first = folder or Path.cwd()
            folders = [first, *first.parents]
            roots = [each for each in folders if (each / ".git").exists()]
            searched = folders[: folders.index(roots[0]) + 1] if roots else folders[:1]
            nearest_file = next((each / NAME for each in searched if (each / NAME).is_file()), None)
            if nearest_file is None:
                return cls()
            file = nearest_file
        else:
            file = Path(name).expanduser()
            if not file.is_file():
                raise MissingPathError(f"--config must be a file of defaults, got {str(file)!r}: name one, or pass none")
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            remedy = "mend it, or pass --config none"
            raise InputError(f"{file} must be a file of defaults in TOML ({one_line(error)}): {remedy}") from error
        return cls(file, *_divided(file, document))

    def defaults(self, command: Any) -> dict[str, Any]:
        """Return a command's defaults by parameter name, in the command line's form; raise `InputError` for an unknown key."""
        # An option's key is its longest flag without leading dashes, with underscores.
        options = {
            flag_of(parameter).lstrip("-").replace("-", "_"): parameter
            for parameter in command.params
            if parameter.param_type_name == "option"
        }
        options = {key: parameter for key, parameter in options.items() if key not in _NOT_HERE}
        own = self.tables.get(command.name or "", {})
        for key in own:
            if key not in options:
                where = f"{self.file} [{command.name}]"
                raise InputError.of(where, "must hold options of the command", key, nearest(key, options, "options"))
        shared = {} if command.name in _BY_ITSELF else self.shared
        withheld = _WITH_TABLES.get(command.name or "", ())
        given = {key: value for key, value in shared.items() if key in options and key not in withheld} | dict(own)
        self.used.clear()
        self.used.update({flag_of(options[key]): value for key, value in given.items()})
        return {options[key].name: self._written(key, options[key], value) for key, value in given.items()}

    def without(self, typed: Collection[str]) -> None:
        """Drop the defaults of options that were given on the command line, by flag."""
        for flag in typed:
            self.used.pop(flag, None)

    def told(self) -> Iterator[str]:
        """Yield a line for each default taken from the file."""
        for flag, value in self.used.items():
            yield f"{flag} {value if isinstance(value, str) else repr(value)} by default ({self.file})"

    def blamed(self, line: str, arguments: Sequence[str] = ()) -> str:
        """Append the file's name to an error about an option that the file set, unless the option was typed."""
        flag = line.partition(" ")[0]
        typed = any(word.partition("=")[0] == flag for word in arguments)
        return f"{line} ({flag} is of {self.file})" if flag in self.used and not typed else line

    def _written(self, key: str, parameter: Any, value: Any) -> Any:
        """Convert a TOML value to the command line's form."""
        if isinstance(value, Mapping):
            value = [f"{name}={each}" for name, each in value.items()]
        several = isinstance(value, list)
        refuse_empty({f"{key} in {self.file}": value})
        if bool(getattr(parameter, "is_flag", False)) != isinstance(value, bool):
            wanted = "must be true or false" if not isinstance(value, bool) else "must be text or a number"
            raise InputError.of(f"{key} in {self.file}", wanted, value)
        texts = [self._placed(key, each) for each in value] if several else [self._placed(key, value)]
        if getattr(parameter, "multiple", False):
            return texts
        return ",".join(map(str, texts)) if several else texts[0]

    def _placed(self, key: str, value: Any) -> Any:
        """Make a path relative to the file's folder absolute, also after NAME= (a folder name may contain =)."""
        is_path = key == "out" or _declared().get(key, False)
        if not isinstance(value, str) or self.file is None or not is_path or value == NONE:
            return value
        name, mark, path = value.partition("=")
        if not mark or "/" in name:
            name, mark, path = "", "", value
        return value if "://" in path or path == "" else f"{name}{mark}{self.file.resolve().parent / Path(path).expanduser()}"


Config.current = Config()


def flag_of(parameter: Any) -> str:
    """Return an option's longest flag."""
    return str(max(parameter.opts, key=len))


@cache
def _declared() -> dict[str, bool]:
    """Collect all functions' options by flag name, and whether each is a path."""
    found: dict[str, bool] = {}
    for keyword in vars(options_by_function).values():
        if isinstance(keyword, type) and keyword.__module__ == options_by_function.__name__:
            for name, (kind, option) in declared(keyword).items():
                if option.flags not in (HIDDEN, FOLDED):
                    flag = max(option.flags, key=len) if option.flags else name
                    is_path = Path in get_args(kind) or any(Path in get_args(part) for part in get_args(kind))
                    found[flag.lstrip("-").replace("-", "_")] = is_path
    return found


def shared_keys() -> list[str]:
    """Return the options that a file may set for all commands: those of `howfar.options`, and the backbone."""
    return [key for key in (*_declared(), "backbone", "quiet", "verbose", "json") if key not in _OF_A_COMMAND]


def _divided(file: Path, document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Mapping[str, Any]]]:
    """Divide a document into defaults for all commands and the commands' tables; raise `InputError` for an unknown key."""
    from howfar import registry

    commands, known = registry.names("commands"), shared_keys()
    shared: dict[str, Any] = {}
    tables: dict[str, Mapping[str, Any]] = {}
    for key, value in document.items():
        plain = key.replace("-", "_")
        if key in commands and isinstance(value, Mapping):
            tables[key] = {name.replace("-", "_"): each for name, each in value.items()}
        elif plain in known:
            shared[plain] = value
        elif plain in _OF_A_COMMAND:
            remedy = "write it below [compare], or the command that it is for"
            raise InputError.of(str(file), "must hold it in a command's own table", key, remedy)
        else:
            raise InputError.of(str(file), "must hold options or commands", key, nearest(key, [*known, *commands], "names"))
    return shared, tables
