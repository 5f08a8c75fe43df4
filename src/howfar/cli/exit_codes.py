"""Turn exceptions into exit codes and one-line messages; write unexpected errors to a report file."""

import errno
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import typer

from howfar.cli.config_file import Config
from howfar.errors import HowfarError, InputError, RunnerError, StoreError, one_line, rule_broken
from howfar.formatting_and_escaping import printable, printable_lines
from howfar.option_checks_and_signatures import declared
from howfar.options import FOLDED, FOLDED_NAME
from howfar.options_by_function import BackboneOptions
from howfar.progress import end
from howfar.registry import registered_by


def flags_of(command: Any) -> dict[str, str]:
    """Map a command's parameters to their names on the command line: the longest flag, a metavar, or --backbone-option NAME."""
    own = {
        parameter.name: max(parameter.opts, key=len)
        if parameter.param_type_name == "option"
        else str(parameter.metavar or parameter.name.upper()).partition("[")[0].rstrip(".")
        for parameter in command.params
        if parameter.name
    }
    if FOLDED_NAME not in own:
        return own
    folded = [name for name, entry in declared(BackboneOptions).items() if entry.option.flags == FOLDED]
    return {name: f"{own[FOLDED_NAME]} {name}" for name in folded} | own


INTERRUPTED: Final = 130
UNREAD: Final = 141
"""The exit code after a closed pipe (`| head`), as of a Unix tool that SIGPIPE ends."""
STOPPED: Final = "stopped; run the same command to go on: what was done is kept"
DEBUG: Final = "HOWFAR_DEBUG"
"""The environment variable that makes every error print its traceback too, where it is set to anything but 0."""
_AGAIN: Final = "then run the same command again: what was done is kept"
_ELSEWHERE: Final = "<elsewhere>"
"""Placeholder in a remedy for the command's options that name another disk."""
_DISK: Final[Mapping[int, tuple[str, str]]] = {
    errno.ENOSPC: ("no space is left on the disk of {}", f"make room{_ELSEWHERE}; {_AGAIN}"),
    errno.EDQUOT: ("the quota of the disk of {} is used up", f"make room{_ELSEWHERE}; {_AGAIN}"),
    errno.EROFS: ("{} lies on a disk that can only be read", _ELSEWHERE),
    errno.EFBIG: ("{} would be larger than the system lets a file be", f"raise the limit (ulimit -f unlimited); {_AGAIN}"),
    errno.ENAMETOOLONG: ("{} is longer than the system lets a path be", "pass a shorter one, if it is meant to be a path"),
    errno.ENOENT: ("{} is not there", "check the path, and that the current folder is still there"),
    errno.EMFILE: ("too many files are open to open {}", "raise the limit (ulimit -n 4096), or pass fewer --workers"),
    errno.ENFILE: ("too many files are open on this machine to open {}", f"end other programs; {_AGAIN}"),
    errno.EACCES: ("{} must not be opened by this user", "change its permissions, or name another"),
    errno.EPERM: ("{} must not be changed by this user", "change its permissions, or name another"),
    errno.EIO: ("{} cannot be read or written, as the disk or network behind it fails ({})", f"check that; {_AGAIN}"),
}
_MEMORY: Final = "memory ran out{}: pass a smaller --batch-size, fewer --workers or --memory (2GB say), or end other programs"


def fail(line: str, code: int) -> int:
    """Print a line on stderr and return the exit code, also if stderr cannot be written."""
    end()
    with suppress(OSError, ValueError):
        typer.echo(f"howfar: {printable(' '.join(line.split()))}", err=True)
    return code


def outcome(error: BaseException, arguments: Sequence[str], flags: Mapping[str, str] | None = None) -> int:
    """Print the one line for a command's error, in the words of `flags`; return the exit code: 2 bad input, 1 failure."""
    if isinstance(error, typer.TyperException):
        # typer's error, reworded in the form of howfar's other error lines.
        wrong: Any = error
        said, parameter = str(wrong.format_message()), getattr(wrong, "param", None)
        if "unexpected extra argument" in said:
            # Say how several values are given, if an option that takes several is followed by two words.
            several = {flag for each in wrong.ctx.command.params if getattr(each, "multiple", False) for flag in each.opts}
            pairs = zip(arguments, arguments[2:], strict=False)
            flag = next((first for first, third in pairs if first in several and not third.startswith("-")), "")
            said += f": an option with several values is repeated, as in {flag} ONE {flag} OTHER" if flag else ""
        elif parameter is not None and hasattr(wrong.__cause__, "errors"):
            fault = wrong.__cause__.errors()[0]
            said = InputError.of(parameter.name, rule_broken(fault), fault["input"]).line(flags_of(wrong.ctx.command))
        return fail(Config.current.blamed(said, arguments), 2)
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return fail(STOPPED, INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        _close_output()
        return UNREAD
    if isinstance(error, OSError) and sys.stdout is not None:
        try:
            sys.stdout.flush()
        except (OSError, ValueError):
            _close_output()
    if os.environ.get(DEBUG, "0") not in ("", "0"):
        with suppress(OSError, ValueError):
            typer.echo(printable_lines("".join(traceback.format_exception(error)).rstrip()), err=True)
    if isinstance(error, HowfarError):
        code = 1 if isinstance(error, (StoreError, RunnerError)) else 2
        return fail(Config.current.blamed(error.line(flags or {}), arguments), code)
    return fail(_foreseen(error, flags or {}) or _unforeseen(error, arguments), 1)


def _foreseen(error: BaseException, flags: Mapping[str, str]) -> str:
    """Explain an operating-system error with its place and remedy; return "" for other errors."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error):
        return _MEMORY.format(f" ({one_line(error)})" if str(error) else "")
    if not isinstance(error, OSError) or error.errno is None:
        return ""
    words, remedy = _DISK.get(error.errno, ("", ""))
    if not words:
        return f"{type(error).__name__}: {error}"
    # Name the option that chooses another disk, if there is one; a store names its own option in its own errors.
    has_out = "--out" in flags.values()
    if remedy == _ELSEWHERE:
        remedy = "name a folder elsewhere by --out" if has_out else "copy it to a disk that can be written to"
    else:
        remedy = remedy.replace(_ELSEWHERE, ", or name another disk by --out" if has_out else "")
    return f"{words.format(error.filename or 'the output', one_line(error.strerror or error))}: {remedy}"


def _unforeseen(error: BaseException, arguments: Sequence[str]) -> str:
    """Write versions, command and traceback, without any file's content, into a new file, and state its path."""
    from dataclasses import asdict

    from howfar.results.display_and_shared_records import Provenance

    modules = {str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)}
    known = "a value is nested too deep, or" if isinstance(error, RecursionError) else "this is"
    what = f"{known} a bug in {registered_by(modules) or 'howfar'} ({one_line(f'{type(error).__name__}: {error}')})"
    try:
        made = "\n".join(f"{name}: {value}" for name, value in asdict(Provenance.now()).items())
        when = datetime.now(UTC).isoformat(timespec="seconds")
        report = f"{when}\nhowfar {shlex.join(arguments)}\n{made}\n\n{''.join(traceback.format_exception(error))}"
        # A new name in the folder for temporary files, so that no run folder or earlier report is touched.
        descriptor, path = tempfile.mkstemp(prefix="howfar-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(report)
    except OSError as refused:
        return f"{what}, and its traceback cannot be kept ({one_line(refused)}): {DEBUG}=1 prints it, please send it in"
    return f"{what}: please send in {path}, after a look at the paths in it; {DEBUG}=1 prints it here too"


def _close_output() -> None:
    """Redirect buffered output of a closed pipe to the null device, so that exit prints nothing."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
