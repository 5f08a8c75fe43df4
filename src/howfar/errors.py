"""What howfar raises: one base class, a few kinds, each also the builtin that callers expect."""

from __future__ import annotations


class HowfarError(Exception):
    """Base of every error that howfar raises on purpose; its text is one clear line."""


class InputError(HowfarError, ValueError):
    """An argument breaks a rule: says which argument, the rule, the value received and a remedy."""

    @classmethod
    def of(cls, argument: str, rule: str, received: object, remedy: str = "") -> InputError:
        """Build the one line that every refused argument gets.

        Parameters
        ----------
        argument
            Name as the caller wrote it.
        rule
            What must hold, as a phrase that follows the name: ``"must be at least 1"``.
        received
            The value that broke the rule.
        remedy
            What to do instead; left out of the line when empty.

        Examples
        --------
        >>> print(InputError.of("components", "must be at least 1", 0, "pass 25, the paper's number"))
        components must be at least 1, got 0: pass 25, the paper's number
        """
        line = f"{argument} {rule}, got {received!r}"
        return cls(f"{line}: {remedy}" if remedy else line)


class UnknownNameError(HowfarError, LookupError):
    """A name is not registered; the line lists the known ones and the nearest."""


class MissingPathError(HowfarError, FileNotFoundError):
    """A folder or file that the caller named is not there."""


class ImageError(HowfarError, ValueError):
    """One image cannot be used; the text is the reason, without the path."""


class LeakError(HowfarError, RuntimeError):
    """An image that a model of a study learnt from was about to be evaluated."""


class MissingExtraError(HowfarError, ImportError):
    """An optional library is absent; the line names the command that installs it."""


class StoreError(HowfarError, RuntimeError):
    """The store on disk is of another format, is damaged, or cannot hold a value."""


class RunnerError(HowfarError, RuntimeError):
    """Work could not be run where it was sent: the cluster is out of reach, or has lost a task for good."""


def one_line(error: BaseException, limit: int | None = None) -> str:
    r"""Write an exception's text on one line, of at most `limit` characters; its class where it has no text.

    Examples
    --------
    >>> one_line(ValueError("no  such\nthing")), one_line(KeyError())
    ('no such thing', 'KeyError')
    """
    return " ".join(str(error).split())[:limit] or type(error).__name__
