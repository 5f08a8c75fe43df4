"""Read a task's images one by one, and either skip images that cannot be scored or raise an error that names the first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.image_folder import path_text
from howfar.errors import HowfarError, ImageError, InputError, option
from howfar.progress import bar
from howfar.results import Skipped
from howfar.runners import LocalRunner

R = TypeVar("R")

PARTIAL = f"pass {option('partial', True)} to score only the other"


@dataclass(frozen=True)
class Fault:
    """Describe an image that cannot be scored: name, file, reason, and whether its prediction is missing."""

    image: str
    path: str
    reason: str
    missing: bool = False


def skip_faults(faults: Sequence[Fault], dataset: Dataset, partial: bool) -> tuple[Skipped, ...]:
    """Convert faults to skipped images if `partial` allows and images are left, otherwise raise `InputError` with one line."""
    total, count = len(dataset), len(faults)
    if count and (not partial or count == total):
        single, missing = count == 1, all(fault.missing for fault in faults)
        what = ("has" if single else "have") + " no prediction" if missing else "cannot be scored"
        mend = f"{'predict' if missing else 'mend'} {'it' if single else 'them'}"
        others = f", or {PARTIAL} {total - count}" if count < total else ""
        images = "image" if total == 1 else "images"
        first = f"the first is {faults[0].image}: {faults[0].reason}"
        raise InputError(f"{count} of {total} {images} of {dataset.name} {what}; {first}: {mend}{others}")
    return tuple(Skipped(dataset.name, fault.path, fault.reason) for fault in faults)


def read_all(
    dataset: Dataset,
    missing: Mapping[str, str],
    read: Callable[[Item], R],
    partial: bool,
    progress: bool,
    title: str = "scores",
) -> tuple[list[R], Dataset]:
    """Read every image except the `missing`; return the readings and the dataset of successfully read images.

    `missing` says by image name why an image has no prediction. `read` raises `ImageError` or `InputError` for an image that
    cannot be scored.
    """
    absent = [item for item in dataset.items if item.name in missing]
    faults = {item.name: Fault(item.name, path_text(item.path), missing[item.name], missing=True) for item in absent}
    skip_faults(list(faults.values()), dataset, partial)
    present = [item for item in dataset.items if item.name not in faults]

    def tried(item: Item) -> R | Fault:
        try:
            return read(item)
        except (ImageError, InputError) as error:
            return Fault(item.name, path_text(item.path), str(error))

    outcomes = dict(zip((item.name for item in present), with_bar(tried, present, progress, title), strict=True))
    faults |= {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Fault)}
    items = tuple(item for item in dataset.items if item.name not in faults)
    skipped = skip_faults([faults[item.name] for item in dataset.items if item.name in faults], dataset, partial)
    readings = [outcome for item in items if not isinstance(outcome := outcomes[item.name], Fault)]
    return readings, replace(dataset, items=items, skipped=(*dataset.skipped, *skipped))


def with_bar(function: Callable[[Item], R], items: Sequence[Item], progress: bool, title: str = "scores") -> Iterator[R]:
    """Yield ``function(item)`` in order, with a progress bar on stderr."""
    results = LocalRunner().run(function, items)
    yield from bar(results, progress=progress, total=len(items), unit="image", desc=title)


def read_named(what: str, path: Path | str, reader: Callable[[Path | str], R], refusal: type[HowfarError] = ImageError) -> R:
    """Read a file; raise a `refusal` that names the file and its role if the reader raises `ImageError`."""
    try:
        return reader(path)
    except ImageError as error:
        raise refusal(f"{what} {path_text(path)}: {error}") from error


def content_of(item: Item) -> str:
    """Return the content hash of an image's file."""
    return content_hash(read_named("the image", item.path, read_bytes))
