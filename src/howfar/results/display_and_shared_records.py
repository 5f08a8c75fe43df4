"""Define the parts that all results share: display as text and HTML, and records such as `Interval` and `Provenance`."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import reduce
from html import escape
from importlib import metadata
from operator import and_
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from howfar.formatting_and_escaping import format_interval, printable, signed
from howfar.protocols import Rows

if TYPE_CHECKING:
    import pandas as pd

    from howfar.arrays import FloatArray


def plain(value: Any) -> Any:
    """Convert records, mappings, tuples and tables to JSON types; NaN in a table becomes None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "to_dict"):
        rows = value.to_dict("records")
        return [{str(name): None if cell != cell else cell for name, cell in row.items()} for row in rows]
    return value


Cells: TypeAlias = tuple[tuple[str, ...], list[tuple[str, ...]]]


class TableColumn(NamedTuple):
    """Declare a column of a table for terminal, notebook and report: its title, its text, and the number to sort by.

    The text is the name of a row's value, or a function of the row; `sort` is a value's name, "" for a column of texts.
    """

    title: str
    text: str | Callable[[Any], object]
    sort: str = ""

    def of(self, row: Any) -> str:
        """Return a row's text."""
        return str(self.text(row) if callable(self.text) else value_of(row, self.text))


def value_of(row: Any, name: str) -> Any:
    """Return a value of a record, or of a frame's row as a mapping."""
    return row[name] if isinstance(row, Mapping) else getattr(row, name)


def cells(rows: Iterable[Any], columns: Sequence[TableColumn]) -> Cells:
    """Return the header and the formatted cells of a table."""
    return tuple(column.title for column in columns), [tuple(column.of(row) for column in columns) for row in rows]


class Shown:
    """Provide a result's text and HTML views from its caption, its table and the lines below."""

    def caption(self) -> str:
        """Return a one-line caption of the table."""
        raise NotImplementedError

    def table(self) -> Cells:
        """Return the header and formatted cells for terminal, notebook and report."""
        raise NotImplementedError

    def findings(self) -> list[str]:
        """Return the sentences between the table and the notes, by default none."""
        return []

    def footer(self) -> list[str]:
        """Return the lines below the table, by default the findings and the notes."""
        return [*self.findings(), *getattr(self, "notes", ())]

    def remarks(self) -> list[str]:
        """Return the lines that the terminal shows under the table."""
        return [*self.findings(), *(f"note: {note}" for note in getattr(self, "notes", ()))]

    def as_printed(self) -> tuple[str, Cells]:
        """Return the caption and the table that Python and the terminal print."""
        return self.caption(), self.table()

    def __repr__(self) -> str:
        caption, table = self.as_printed()
        return "\n".join(map(printable, [caption, *as_text(*table), *self.footer()]))

    def _repr_html_(self) -> str:
        caption, (header, rows) = self.as_printed()
        head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
        body = "".join("<tr>" + "".join(f"<td>{escape(printable(cell))}</td>" for cell in row) + "</tr>" for row in rows)
        above, *below = (f"<p>{escape(printable(line))}</p>" for line in (caption, *self.footer()))
        return f"{above}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{''.join(below)}"


def as_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns as lines of text, the first column left and the others right."""
    rows = [[printable(cell) for cell in row] for row in (header, *rows)]
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    aligned = ([row[0].ljust(first), *map(str.rjust, row[1:], widths)] for row in rows)
    return ["  ".join(cells).rstrip() for cells in aligned]


def matching(frame: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Return the rows of a table with these values in the columns of these names."""
    return frame[reduce(and_, (frame[column] == value for column, value in values.items()))]


def keyed(frame: pd.DataFrame, **values: str) -> pd.DataFrame:
    """Put columns of one value each before a table's own."""
    return frame.assign(**values)[[*values, *frame]]


LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "pillow", "torch", "timm", "onnxruntime")


@dataclass(frozen=True)
class Interval:
    """Hold a number with its interval's ends; None where undefined (constant values, too few images)."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, row: Any, name: str, low: str = "", high: str = "") -> Interval:
        """Read a row's number and its ends, by default from ``<name>_low`` and ``<name>_high``; NaN is undefined."""
        numbers = (float(row[column]) for column in (name, low or f"{name}_low", high or f"{name}_high"))
        return cls(*(None if number != number else number for number in numbers))

    def __neg__(self) -> Interval:
        """Return the interval of the opposite number, as of a difference the other way round."""
        value, low, high = (None if each is None else -each for each in (self.value, self.low, self.high))
        return Interval(value, high, low)

    @property
    def clear(self) -> bool:
        """Return whether the interval excludes 0."""
        return self.low is not None and self.high is not None and self.low * self.high > 0

    @property
    def above(self) -> bool:
        """Return whether the interval lies above 0 as it is shown: 0.000 is no change."""
        return self.low is not None and round(self.low, 3) > 0

    @property
    def below(self) -> bool:
        """Return whether the interval lies below 0 as it is shown."""
        return self.high is not None and round(self.high, 3) < 0

    @property
    def ends(self) -> tuple[float, float, float]:
        """Return the number and its interval's ends, NaN where undefined."""
        value, low, high = (float("nan" if each is None else each) for each in (self.value, self.low, self.high))
        return value, low, high

    def signed(self, decimals: int = 3) -> str:
        """Write the number with its sign, and its interval, if any; a number that rounds to 0 has no sign."""
        value, low, high = (signed(each, decimals) for each in self.ends)
        return value if low == "–" else f"{value} [{low}, {high}]"

    def __format__(self, form: str) -> str:
        return format_interval(self.value, self.low, self.high, form or ".3f")

    def __str__(self) -> str:
        return format(self)


@dataclass(frozen=True)
class Skipped:
    """Hold an image that could not be used, and the reason."""

    dataset: str
    path: str
    reason: str


@dataclass(frozen=True)
class NetworkReading:
    """Record how a foreign network's input and output were handled.

    `size` is the side of the squares in pixels that were fed, `mean` and `std` are what was subtracted from each channel of 0-1
    and what the difference was divided by; `output` is "logits" or "probabilities", `channel` the foreground's, of so many
    `channels`.
    """

    network: str
    size: int
    layout: str
    dtype: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    output: str
    channel: int
    channels: int

    def options(self) -> tuple[str, ...]:
        """Return the options with which another command handles the network in the same way."""
        named = {"mean": format_channels(self.mean), "std": format_channels(self.std), "output": self.output}
        named |= {} if self.channels == 1 else {"channel": str(self.channel)}
        return tuple(word for name, value in named.items() for word in (f"--{name}", value))

    def __str__(self) -> str:
        fed = f"{self.network} was fed {self.dtype} squares of {self.size} pixels ({self.layout}) with "
        fed += f"mean {format_channels(self.mean)} and std {format_channels(self.std)}"
        return f"{fed}, and read as {self.output}, channel {self.channel} of {self.channels}"


def format_channels(values: Sequence[float]) -> str:
    """Format per-channel numbers as the command line takes them."""
    return ",".join(f"{value:.6g}" for value in values)


@dataclass(frozen=True)
class Leak:
    """Hold an image whose content is in both the primary and a secondary dataset."""

    dataset: str
    image: str
    primary_image: str
    content: str


@dataclass(frozen=True)
class Provenance:
    """Record a result's origin: version, time (UTC, ISO 8601), interpreter, platform, libraries."""

    howfar: str
    created: str
    python: str
    platform: str
    libraries: Mapping[str, str]

    @classmethod
    def now(cls) -> Provenance:
        """Return the current time and the installed versions of `LIBRARIES`."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        libraries = {name: metadata.version(name) for name in LIBRARIES}
        return cls(metadata.version("howfar"), created, platform.python_version(), platform.platform(), libraries)


@dataclass(frozen=True, eq=False)
class Features:
    """Hold a dataset's features, a row for each readable image in the dataset's order.

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
    groups
        Per row: the group of the image (scene, patient, clip, photograph), None if it has none; empty if no image has one.
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
    groups: Sequence[str | None] = ()

    def __len__(self) -> int:
        return self.rows.shape[0]

    @property
    def independent(self) -> int:
        """Count the groups of the images, where an image without a group is one."""
        alone = self.groups.count(None) if self.groups else len(self)
        return alone + len({group for group in self.groups if group is not None})

    def to_array(self) -> FloatArray:
        """Read all features as an array of shape (n, q)."""
        return self.rows.rows(0, len(self))
