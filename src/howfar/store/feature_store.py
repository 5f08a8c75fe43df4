"""Look up, add and select the stored features of one backbone."""

from __future__ import annotations

import json
import math
import shutil
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from howfar.errors import InputError
from howfar.store import shards
from howfar.store.compaction import pack
from howfar.store.folder import folder_at
from howfar.store.identity_key import canonical, feature_key
from howfar.store.manifest import SHARDS, Manifest, ensure
from howfar.store.refusals import refusal
from howfar.store.row_selection import Selection
from howfar.store.shard_catalog import ShardCatalog
from howfar.store.shards import ShardFormat
from howfar.store.value_checks import as_stored

TARGET_BYTES = 64 * 2**20
MANY_SHARDS = 64
TIDY_EVERY = 256
SELDOM = 50
"""Times as long as a look at a store behind a URL took, until `claim` takes another: its list grows with its shards."""


class FeatureStore:
    """Keep features of one identity on disk, keyed by the content of the image. `howfar.store.Store.open` makes it.

    Several threads may use one object, several processes one folder. What a process was writing when it was killed is
    absent, everything else is whole. Pickled, it opens the same folder again.

    Attributes
    ----------
    identity
        What the features depend on.
    dtype
        Stored type: ``float32`` or ``float16``. What is read is float32 always.
    length
        q, the numbers in a feature.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from howfar.store import Store
    >>> features = Store(tempfile.mkdtemp()).open({"name": "pixels", "side": 1}, 3)
    >>> features.add(["a1", "b2"], ["cat.png", "dog.png"], np.array([[1, 2, 3], [4, 5, 6]], np.float32))
    >>> features.contains("a1"), features.contains("c3"), len(features)
    (True, False, 2)
    >>> features.select(["b2", "a1", "b2"]).columns(0, 2)
    array([[4., 5.],
           [1., 2.],
           [4., 5.]], dtype=float32)
    """

    def __init__(self, folder: Path | str, identity: Mapping[str, Any], dtype: str, length: int) -> None:
        self._home, self.dtype, self.length = folder_at(folder), dtype, length
        self.identity: dict[str, Any] = json.loads(canonical(identity))
        self._calls = 0
        self._looked, self._took = -math.inf, 0.0
        try:
            use = self._home.hold()
        except OSError as error:
            raise refusal(self._home, "use", error) from error
        ensure(self._home, Manifest(self.identity, dtype, length))
        layout = ShardFormat(dtype, length, feature_key(identity, dtype))
        self._catalog = ShardCatalog(self._home.child(SHARDS), layout, use=use)

    @property
    def folder(self) -> Path | str:
        """Return where the features lie: a path, or a URL."""
        return self._home.path

    def remove_when_unused(self) -> None:
        """Remove the store's whole folder, which must be a local one, once neither this nor rows selected of it are there."""
        weakref.finalize(self._catalog, shutil.rmtree, Path(self.folder).parent, ignore_errors=True)

    def __repr__(self) -> str:
        return f"FeatureStore({str(self.folder)!r}, {len(self)} contents, q = {self.length:,}, {self.dtype})"

    def __len__(self) -> int:
        return len(self._catalog)

    @property
    def damaged(self) -> Mapping[str, str]:
        """Return the shards on disk that are not used, and why; what they held counts as absent."""
        return self._catalog.damaged

    def contains(self, content: str) -> bool:
        """Return whether features of a content are stored; what other processes add is seen after `refresh`."""
        return content in self._catalog

    def verify(self, contents: Sequence[str]) -> tuple[str, ...]:
        """Check the stored features of some contents against their checksums, each once in a process.

        Returns those that were stored and no longer are, since what was stored is damaged: they must be embedded anew. What an
        earlier version wrote has no checksum; there features with NaN or infinity are damaged. Raises `StoreError` where the
        folder cannot be read.
        """
        return self._catalog.verify(contents)

    def faults(self) -> tuple[str, ...]:
        """Say in a line what was found to be damaged here and counts as absent; nothing where nothing was."""
        shards, rows = len(self._catalog.damaged), sum(self._catalog.lost.values())
        counts = [f"{n:,} {word if n == 1 else word + 's'}" for n, word in ((shards, "shard"), (rows, "row")) if n]
        if not counts:
            return ()
        what = " and ".join(counts)
        return (f"{what} of the store {self.folder} were damaged and count as absent: their images were embedded anew",)

    def refresh(self) -> None:
        """Read what other processes have added or packed. Raises `StoreError` where the folder cannot be read."""
        self._catalog.refresh()

    @contextmanager
    def claim(self, contents: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Yield those of some contents that are this caller's to compute and `add` until the block ends.

        What is stored already, or claimed by another thread or process, is left out, so that nothing is computed twice. A claim
        ends with the process that holds it. Where files cannot be locked, everything that is not stored is granted. Raises
        `StoreError` where the folder refuses.
        """
        with ExitStack() as stack:
            try:
                granted = stack.enter_context(self._home.claim(contents, self._refreshed))
            except OSError as error:
                raise refusal(self._home, "write to", error) from error
            yield granted

    def free(self, contents: Sequence[str]) -> tuple[str, ...]:
        """Return those of some contents that are neither stored nor claimed by anybody, as of now.

        Raises `StoreError` where the folder cannot be read.
        """
        claimed = self._home.claimed()
        self.refresh()
        free = [content for content in dict.fromkeys(contents) if content not in claimed]
        stored = self._catalog.holds(free).tolist()
        return tuple(content for content, there in zip(free, stored, strict=True) if not there)

    def _refreshed(self) -> ShardCatalog:
        """Read the catalog anew; behind a URL, where nobody can claim, so rarely that it takes a small part of the time."""
        begun = time.monotonic()
        if self._home.near or begun - self._looked >= SELDOM * self._took:
            self.refresh()
            self._looked = time.monotonic()
            self._took = self._looked - begun
        return self._catalog

    def add(self, contents: Sequence[str], paths: Sequence[str], rows: ArrayLike) -> None:
        """Store features as one shard, which appears whole or not at all; on return it is synced to disk.

        Parameters
        ----------
        contents
            b hashes of image bytes. One that is known already does no harm: the older row stays the one that is read.
        paths
            b files that they came from, for people who look into the index.
        rows
            (b, q) floating-point features.

        Raises
        ------
        InputError
            Shapes or types do not agree.
        StoreError
            A feature is NaN, infinite or beyond the stored type (65,504 for float16), or the disk refuses.
        """
        stored = as_stored(rows, contents, paths, self.dtype, self.length)
        if not len(stored):
            return
        try:
            shard = shards.write(self._catalog.folder, shards.new_id(), [stored], self._catalog.layout, contents, paths)
        except OSError as error:
            raise refusal(self._home, "write to", error) from error
        self._catalog.insert(shard)

    def tidy(self) -> None:
        """Pack at every 256th call, on a disk alone; who fills a store calls this after each `add`, so that shards stay few.

        Every listing of the folder takes as long as there are shards in it.
        """
        self._calls += 1
        if self._home.near and self._calls % TIDY_EVERY == 0:
            self.pack()

    def select(self, contents: Sequence[str]) -> Selection:
        """Select the features of some contents, in their order, to be read by rows or columns; contents may repeat.

        Raises `StoreError` where a content has no features here.
        """
        return Selection(self._catalog, contents)

    def pack(self, target_bytes: int = TARGET_BYTES, many: int = MANY_SHARDS) -> int:
        """Merge small shards into large ones where there are many, and return how many were merged; no result changes.

        It may be killed anywhere, and others may read and write meanwhile. What killed writers left a day ago or earlier is
        deleted on the way. On a disk that refuses to write, it does nothing but say so in the log. A merged shard is closed
        when it reaches `target_bytes`; small shards (below half of that) up to the number `many` are left as they are. Raises
        `InputError` where either is below 1.
        """
        for name, value in (("target_bytes", target_bytes), ("many", many)):
            if value < 1:
                raise InputError.of(name, "must be at least 1", value)
        return pack(self._home, self._catalog, target_bytes, many)
