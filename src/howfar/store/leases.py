"""Claim the images that a process is embedding, so that processes that share a store repeat nothing.

A claim is a file below ``claims/`` that names contents and is locked by the process that computes them. The lock ends with its
holder, however that ends; a claim that another can lock is therefore nobody's, and is deleted by whoever meets it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from howfar.io.lock import held, locked

CLAIMS: Final = "claims"
_LOCK: Final = ".door"


class Claims:
    """Keep the claims on the contents of one feature, by threads and processes that share its folder.

    The folder is made when the first claim is. Where files cannot be locked (another system than POSIX, some network folders),
    all that is asked for is granted: features may be computed twice there, and none is lost.

    Examples
    --------
    >>> import tempfile
    >>> claims = Claims(Path(tempfile.mkdtemp()) / "claims")
    >>> with claims.take(["cat", "dog"], lambda: {"dog"}) as granted, claims.take(["cat", "cow"], set) as others:
    ...     granted, others
    (('cat',), ('cow',))
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def take(self, wanted: Sequence[str], stored: Callable[[], Container[str]]) -> Iterator[tuple[str, ...]]:
        """Yield those of some contents that are this caller's to compute until the block ends: neither stored nor others'.

        A content that stands twice in `wanted` is granted once; `stored` gives the contents that are stored, looked up when it
        is called. Raises `OSError` where the disk refuses.
        """
        distinct = dict.fromkeys(wanted)
        self._folder.mkdir(exist_ok=True)
        path = self._folder / secrets.token_hex(8)
        with ExitStack() as claim:
            with locked(self._folder / _LOCK):
                # In this order: what is let go of between the two looks has been stored before, and the second look sees it.
                taken = self._taken(sweep=True)
                in_store = stored()
                granted = tuple(content for content in distinct if content not in taken and content not in in_store)
                if granted:
                    path.write_text("\n".join(granted), encoding="utf-8")
                    claim.enter_context(locked(path))
            # Deleted before it is unlocked, so that nobody meets it unlocked.
            claim.callback(path.unlink, missing_ok=True)
            yield granted

    def taken(self) -> set[str]:
        """Return the contents that somebody claims now."""
        return self._taken(sweep=False) if self._folder.is_dir() else set()

    def _taken(self, sweep: bool) -> set[str]:
        """Read all claims; who holds the lock may `sweep`: delete what is nobody's, as no claim is about to be locked then."""
        contents: set[str] = set()
        with os.scandir(self._folder) as entries:
            claims = [Path(entry.path) for entry in entries if entry.name != _LOCK]
        for claim in claims:
            named = held(claim)
            if named is not None:
                contents.update(named.split())
            elif sweep:
                claim.unlink(missing_ok=True)
        return contents
