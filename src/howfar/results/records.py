"""Define the records that every result is built from: features, images that were skipped, and what made the result."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from howfar.numbers import format_interval
from howfar.protocols import Rows

if TYPE_CHECKING:
    from howfar.arrays import FloatArray

LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "pillow", "torch", "timm", "onnxruntime")


@dataclass(frozen=True)
class Average:
    """Hold a mean over images with its 95 % bootstrap interval; None where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def clear(self) -> bool:
        """Tell whether the interval lies on one side of 0."""
        return self.low is not None and self.high is not None and self.low * self.high > 0

    def __str__(self) -> str:
        return format_interval(self.value, self.low, self.high, ".3f")


@dataclass(frozen=True)
class Skipped:
    """Name an image that could not be used, and say why."""

    dataset: str
    path: str
    reason: str


@dataclass(frozen=True)
class Leak:
    """Name an image that is, by content, both in the primary and in a secondary dataset."""

    dataset: str
    image: str
    primary_image: str
    content: str


@dataclass(frozen=True)
class Provenance:
    """Record what made a result: version, moment (UTC, ISO 8601), interpreter, platform, libraries."""

    howfar: str
    created: str
    python: str
    platform: str
    libraries: Mapping[str, str]

    @classmethod
    def now(cls) -> Provenance:
        """Take this moment, and the installed versions of `LIBRARIES`."""
        return cls(
            howfar=metadata.version("howfar"),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            python=platform.python_version(),
            platform=platform.platform(),
            libraries={name: metadata.version(name) for name in LIBRARIES},
        )


@dataclass(frozen=True, eq=False)
class Features:
    """Hold the features of one dataset: a row for each image that could be read, in the dataset's order.

    Attributes
    ----------
    name
        The dataset's name.
    rows
        (n, q) features, in memory or in a store.
    images, paths, contents
        Per row: the image's name in the dataset, its file ("" for ready-made embeddings), the hash of its bytes. Of a
        large dataset they are columns, which can be used as tuples of texts.
    layers
        Lengths of the parts each feature is concatenated from; they sum to q.
    identity
        What the features depend on; two sets are comparable only where it is equal.
    skipped
        The images that could not be used.
    notes
        What a reader should know: what of the store was damaged, and was embedded anew.
    """

    name: str
    rows: Rows
    images: Sequence[str]
    paths: Sequence[str]
    contents: Sequence[str]
    layers: tuple[int, ...]
    identity: Mapping[str, Any]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.rows.shape[0]

    def to_array(self) -> FloatArray:
        """Read all features at once, shape (n, q)."""
        return self.rows.rows(0, len(self))
