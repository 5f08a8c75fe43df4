"""Show progress on stderr: bars with rate and time left, spinners where no end is known, few lines in a log."""

import io
import math
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final

from howfar.formatting_and_escaping import printable

SOON: Final = 3.0
"""Seconds of work after which a file or a pipe gets its first line."""
SELDOM: Final = 30.0
"""Seconds between two lines in a file or a pipe."""
BRIEF: Final = 5.0
"""Seconds after which a finished bar stays on the terminal."""
MOVES: Final = 1.0
"""Seconds after which the clock of a bar moves, though no step has ended."""
_TURN: Final = 0.1
_MARKS: Final = "|/-\\"
_LOCK: Final = threading.RLock()


class _Silence:
    """Hold whether the user asked for silence."""

    wanted = False


def silence(wanted: bool) -> None:
    """Hide bars, spinners and lines from now on, or show them again."""
    _Silence.wanted = wanted


def bar(iterable: Iterable[Any] | None = None, *, progress: bool = True, patient: bool = False, **options: Any) -> Any:
    """Make a tqdm bar, `patient` for a second; in a file or a pipe all bars and stages print one line every half minute."""
    # A notebook's stderr is no terminal, but it shows bars.
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    if "desc" in options:
        options["desc"] = printable(options["desc"])
    # A patient bar would only clutter the answer.
    options.setdefault("leave", not (patient and watched))
    with _LOCK:
        _Spinner.wipe()
        # tqdm moves a cursor, in a file too.
        pace: dict[str, Any] = {"delay": 1.0 if patient else 0.0} if watched else {"delay": SOON, "file": io.StringIO()}
        return _bar_class()(iterable, disable=not progress or _Silence.wanted, dynamic_ncols=watched, **pace, **options)


def _tqdm() -> Any:
    """Return tqdm's notebook bar in a notebook, else its terminal bar, which loads no asyncio."""
    if "ipykernel" in sys.modules:
        from tqdm.auto import tqdm as of_notebooks

        return of_notebooks
    from tqdm.std import tqdm

    return tqdm


@cache
def _bar_class() -> Any:
    """Return a bar class that leaves no short bar on a terminal, and that writes few and whole lines into a file or a pipe."""

    class Bar(_tqdm()):  # type: ignore[misc]  # which class it is tqdm decides
        def __init__(self, *given: Any, **options: Any) -> None:
            self.begun, self.watched = time.monotonic(), "file" not in options
            super().__init__(*given, **options)

        def display(self, *given: Any, **options: Any) -> None:
            if self.watched:
                super().display(*given, **options)
            else:
                _Spinner.log(str(self))

        def close(self) -> None:
            if not self.disable and time.monotonic() - self.begun < BRIEF:
                self.leave = False
            if not (self.disable or self.watched) and self.postfix:
                # What came from the store is said nowhere else.
                _write(f"{self}\n")
            super().close()

    return Bar


class _Spinner:
    """Draw the current stage and its seconds, from a thread of its own, while no bar is shown."""

    stages: list[tuple[str, float]] = []  # noqa: RUF012  # the one stack of the process
    _drawn = 0
    _last = -math.inf
    _thread: threading.Thread | None = None

    @classmethod
    def start(cls) -> None:
        """Start drawing, unless it is running."""
        if len(cls.stages) == 1:
            cls._last = max(cls._last, time.monotonic() - SELDOM + SOON)
        if cls._thread is None or not cls._thread.is_alive():
            cls._thread = threading.Thread(target=cls._turn, name="howfar-progress", daemon=True)
            cls._thread.start()

    @classmethod
    def wipe(cls) -> None:
        """Erase the spinner's line, so that another line can be printed."""
        if cls._drawn:
            _write(f"\r{' ' * cls._drawn}\r")
            cls._drawn = 0

    @classmethod
    def draw(cls, now: float) -> None:
        """Draw the current stage, or the seconds of the bars; in a file or a pipe, write a line now and then."""
        if not cls.stages or _Silence.wanted:
            return
        if bars := _bars():
            if not sys.stderr.isatty():
                if bars[0] is not None:
                    cls.log(str(bars[0]))
            elif now - cls._last >= MOVES:
                cls._last = now
                for shown in bars:
                    _refresh(shown)
            return
        name, begun = cls.stages[-1]
        seconds = int(now - begun)
        if sys.stderr.isatty():
            text = f"{_MARKS[int(now / _TURN) % len(_MARKS)]} {name}{f' {seconds} s' if seconds else ''}"
            _write(f"\r{text.ljust(cls._drawn)}")
            cls._drawn = len(text)
        else:
            cls.log(f"{name}: {seconds} s")

    @classmethod
    def log(cls, line: str) -> None:
        """Write a line into a file or a pipe, if it is time for one."""
        with _LOCK:
            if time.monotonic() - cls._last >= SELDOM:
                cls._last = time.monotonic()
                _write(f"{line}\n")

    @classmethod
    def _turn(cls) -> None:
        while True:
            with _LOCK:
                if not cls.stages:
                    cls._thread = None
                    return
                # stderr may have been closed meanwhile.
                with suppress(OSError, ValueError, AttributeError):
                    cls.draw(time.monotonic())
            time.sleep(_TURN)

    @classmethod
    def forget(cls) -> None:
        """Stop drawing in a forked process, which lacks the thread."""
        cls.stages.clear()
        cls._drawn, cls._thread = 0, None
        _LOCK.release()


if hasattr(os, "register_at_fork"):
    # Held during the fork, so that the child's copy is not locked forever.
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_Spinner.forget)


def _bars() -> list[Any]:
    """List the tqdm bars that are shown at present; one None while another thread is making a bar."""
    # Another thread may be about to load tqdm, or to make a bar of it.
    bars = getattr(sys.modules.get("tqdm.std"), "tqdm", None)
    try:
        return [shown for shown in list(getattr(bars, "_instances", ())) if not getattr(shown, "disable", True)]
    except RuntimeError:
        return [None]


def _refresh(shown: Any) -> None:
    """Move the seconds of a bar whose next step takes long."""
    if shown is not None and time.time() - shown.start_t >= max(MOVES, shown.delay):
        with shown.get_lock():
            if not shown.disable:
                shown.refresh(nolock=True)


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        # stderr is closed or cannot be written.
        _Silence.wanted = True


def begin(name: str) -> None:
    """Name the current work until `end`, at once on a terminal; `stage` and `doing` say more."""
    if _Silence.wanted or sys.stderr is None:
        return
    with _LOCK:
        _Spinner.wipe()
        _Spinner.stages[:] = [(printable(name), time.monotonic())]
        _Spinner.start()
        _Spinner.draw(time.monotonic())


def doing(name: str) -> None:
    """Rename the current work; show nothing if `begin` was not called, as in Python."""
    with _LOCK:
        if _Spinner.stages:
            _Spinner.wipe()
            _Spinner.stages[0] = (printable(name), time.monotonic())


def end() -> None:
    """Stop naming the work, and erase what is drawn, before results are printed."""
    with _LOCK:
        _Spinner.wipe()
        _Spinner.stages.clear()


@contextmanager
def stage(name: str, progress: bool = True) -> Iterator[None]:
    """Name the work in the block; show nothing if `progress` is False or a bar is shown."""
    if not progress or _Silence.wanted or sys.stderr is None:
        yield
        return
    entry = (printable(name), time.monotonic())
    with _LOCK:
        _Spinner.stages.append(entry)
        _Spinner.start()
    try:
        yield
    finally:
        with _LOCK:
            _Spinner.wipe()
            if entry in _Spinner.stages:
                _Spinner.stages.remove(entry)


def tell(line: str, progress: bool = True) -> None:
    """Print one line on stderr, above a bar if one is shown; print nothing if `progress` is False."""
    if not progress or _Silence.wanted or sys.stderr is None:
        return
    with _LOCK:
        _Spinner.wipe()
        if _bars():
            _tqdm().write(printable(line), file=sys.stderr)
        else:
            _write(f"{printable(line)}\n")
