"""Hold how much a command prints: results alone (--quiet), what most readers need, or everything (--verbose)."""

from __future__ import annotations

from howfar.errors import InputError
from howfar.progress import silence


class _Level:
    quiet = False
    verbose = False


def set_level(quiet: bool = False, verbose: bool = False) -> None:
    """Set it for the command that runs; `InputError` where both are asked for.

    Examples
    --------
    >>> set_level(verbose=True)
    >>> verbose()
    True
    >>> set_level()
    """
    if quiet and verbose:
        raise InputError.of("quiet", "must not be given with --verbose", True, "leave one of them out")
    _Level.quiet, _Level.verbose = quiet, verbose
    silence(quiet)


def quiet() -> bool:
    """Tell whether results alone are to be printed."""
    return _Level.quiet


def verbose() -> bool:
    """Tell whether everything is to be printed."""
    return _Level.verbose
