"""Begin a tracker's run, go on with the one that a killed training began, and end it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from howfar import registry
from howfar.errors import HowfarError, one_line
from howfar.io.atomic import replace_text
from howfar.progress import tell
from howfar.protocols import TrackedRun

KIND = "trackers"


@dataclass(frozen=True)
class Log:
    """Say which tracker a run is logged to, and what it is called there.

    Attributes
    ----------
    tracker
        A registered name: ``mlflow``, ``wandb``, or another package's.
    name
        The run's name.
    group
        What the run is a part of, such as an adaptation study; nothing for a run of its own.
    """

    tracker: str
    name: str
    group: str = ""

    @classmethod
    def of(cls, tracker: str | None, name: str, group: str = "") -> Log | None:
        """Make one where there is a tracker.

        Examples
        --------
        >>> Log.of(None, "roads") is None, Log.of("mlflow", "roads")
        (True, Log(tracker='mlflow', name='roads', group=''))
        """
        return None if tracker is None else cls(tracker, name, group)


def check_tracker(name: str | None) -> None:
    """See that a tracker can be used, before anything is computed.

    Raises `UnknownNameError` for an unknown name, and `MissingExtraError` where its library is absent.

    Examples
    --------
    >>> check_tracker(None)
    >>> check_tracker("notebook")
    Traceback (most recent call last):
    howfar.errors.UnknownNameError: no trackers named 'notebook'; known: mlflow, wandb
    """
    if name is not None:
        registry.load(KIND, name).check()


class Tracking:
    """Log numbers to a run, each step once; without a run do nothing.

    Where the tracker fails, as behind a network that is down, that is told once, and what is computed goes on without it.
    """

    def __init__(self, run: TrackedRun | None, tracker: str = "", note: Path | None = None, last: int = 0) -> None:
        self._run, self._tracker, self._note = run, tracker, note
        self.last = last

    @property
    def on(self) -> bool:
        """Return whether there is a run."""
        return self._run is not None

    def log(self, numbers: Mapping[str, float | None], step: int) -> None:
        """Log the numbers of a step, unless it was logged before the training was killed."""
        if self._run is not None and step > self.last:
            self._log(numbers, step)
            self.last = step
            self._write()

    def conclude(self, numbers: Mapping[str, float | None]) -> None:
        """Log what a run came to, at its last step."""
        self._log(numbers, self.last)

    def begun(self) -> None:
        """Note which run it is, so that a training that is killed goes on with it."""
        self._write()

    def end(self, succeeded: bool) -> None:
        """End the run; it can be gone on with where it did not succeed."""
        if self._run is not None:
            self._guarded(lambda run: run.end(succeeded))
        if succeeded and self._note is not None:
            self._note.unlink(missing_ok=True)

    def _log(self, numbers: Mapping[str, float | None], step: int) -> None:
        finite = {name: float(value) for name, value in numbers.items() if value is not None and math.isfinite(value)}
        if finite:
            self._guarded(lambda run: run.log(finite, step))

    def _guarded(self, call: Any) -> None:
        if self._run is None:
            return
        try:
            call(self._run)
        except Exception as error:  # libraries raise anything
            self._run = None
            tell(f"nothing more is logged to {self._tracker}: {one_line(error)}")

    def _write(self) -> None:
        if self._run is not None and self._note is not None:
            replace_text(self._note, json.dumps({"tracker": self._tracker, "run": self._run.id, "step": self.last}))


@contextmanager
def tracked(log: Log | None, settings: Mapping[str, Any], note: Path | None = None) -> Iterator[Tracking]:
    """Begin a run with its settings, and end it when the block ends; without `log` nothing is logged.

    `note` is a file that names the run until it has succeeded: where there is one, the run that it names goes on. Raises
    `HowfarError` where the run cannot begin.
    """
    if log is None:
        yield Tracking(None)
        return
    before = _noted(note, log.tracker)
    try:
        run = registry.load(KIND, log.tracker)(log.name, log.group, dict(settings), before.get("run"))
    except HowfarError:
        raise
    except Exception as error:  # libraries raise anything
        raise HowfarError(f"log: no run of {log.tracker} can begin: {one_line(error, 300)}") from error
    tracking = Tracking(run, log.tracker, note, int(before.get("step", 0)))
    tracking.begun()
    try:
        yield tracking
    except BaseException:
        tracking.end(succeeded=False)
        raise
    tracking.end(succeeded=True)


def _noted(note: Path | None, tracker: str) -> Mapping[str, Any]:
    """Read which run of the tracker a killed training began, and the last step that was logged; nothing where none did."""
    with suppress(OSError, ValueError, AttributeError, TypeError, RecursionError):
        found = json.loads(note.read_text(encoding="utf-8")) if note is not None else {}
        if found.get("tracker") == tracker and isinstance(found.get("run"), str):
            return {"run": found["run"], "step": int(found.get("step", 0))}
    return {}
