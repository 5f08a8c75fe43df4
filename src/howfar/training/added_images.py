"""List the training examples that chosen images of another dataset add, as ``SITE:LIST`` or as a pair names them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from howfar.data import Dataset, DatasetArgument, content_hash, parse, read_bytes
from howfar.data.folder_walk import printable
from howfar.data.image_list import match_list, read_list
from howfar.errors import ImageError, InputError
from howfar.io.location import absolute
from howfar.results import Selection
from howfar.training.image_mask_pairs import Example, examples_of

Picked: TypeAlias = Selection | str | Path
Added: TypeAlias = "str | tuple[DatasetArgument, Picked]"

_FORM = "must be SITE:LIST, a dataset and the list that howfar select wrote of it"


def added_examples(add: str | Sequence[Added]) -> tuple[Example, ...]:
    """List the examples of every dataset and list in `add`, each list's in its own order.

    A text is divided at the last colon behind which a file lies. Raises `HowfarError` where it names no dataset or list, where
    a list is empty, names an image twice or one that is not in its dataset, or where an image has no mask.
    """
    return tuple(
        example for entry in ([add] if isinstance(add, str) else add) for example in _examples(*dataset_and_list(entry))
    )


def dataset_and_list(entry: Added) -> tuple[DatasetArgument, Picked]:
    """Divide an entry into its dataset and its list; raises `InputError` where it has no list that is there.

    Examples
    --------
    >>> dataset_and_list("s3://bucket/site")
    Traceback (most recent call last):
    howfar.errors.InputError: add must be SITE:LIST, a dataset and the list that howfar select wrote of it, got
    's3://bucket/site': no file lies behind a colon that has a dataset before it; write SITE:chosen.csv
    """
    if isinstance(entry, tuple) and len(entry) == 2:
        return entry
    if not isinstance(entry, str):
        raise InputError.of("add", _FORM, entry, "write SITE:chosen.csv, or a pair of both")
    for position in reversed([index for index, character in enumerate(entry) if character == ":"]):
        dataset, listed = entry[:position], entry[position + 1 :]
        if dataset.strip() and listed.strip() and absolute(listed).is_file():
            return dataset, listed
    raise InputError.of("add", _FORM, entry, "no file lies behind a colon that has a dataset before it; write SITE:chosen.csv")


def check_new(added: Sequence[Example], others: Sequence[Example]) -> None:
    """Raise `InputError` if an added image has the content of another added one, or of one that is learnt from anyway.

    A file that cannot be read is left to the reading for training, whose error names it.
    """
    seen: dict[str, str] = {}
    for example, content in _contents(added):
        name = f"{example.dataset}/{example.name}"
        if content in seen:
            raise InputError.of("add", "must name each image once", name, f"it is {seen[content]}; take one of them out")
        seen[content] = name
    for example, content in _contents(others) if seen else ():
        if content in seen:
            again = f"{example.dataset}/{example.name}"
            rule = "must name images that are not learnt from without it"
            raise InputError.of("add", rule, seen[content], f"it is {again}; take one of them out")


def _contents(examples: Sequence[Example]) -> Iterator[tuple[Example, str]]:
    for example in examples:
        try:
            yield example, content_hash(read_bytes(example.path))
        except ImageError:
            continue


def _examples(argument: DatasetArgument, picked: Picked) -> tuple[Example, ...]:
    dataset = parse(argument, unnamed="site")
    if not isinstance(dataset, Dataset):
        raise InputError.of("add", "must name images with masks, not embeddings", dataset.name)
    if isinstance(picked, Selection):
        listed, source = picked.paths, f"the selection of {picked.dataset}"
    elif isinstance(picked, (str, Path)):
        listed, source = read_list(picked), str(picked)
    else:
        raise InputError.of("add", "must have a list's file or a Selection beside the dataset", type(picked).__name__)
    if not listed:
        raise InputError.of("add", "must have a list that names an image", source, "choose images with howfar select")
    items = [dataset.items[row] for row in _rows(dataset, listed, source)]
    bare = [item.name for item in items if item.mask is None]
    if bare:
        what = f"{len(bare)} of {len(items)} have none; label {'it' if len(bare) == 1 else 'them'} first"
        raise InputError.of("add", f"must name images of {dataset.name} that have a mask", bare[0], what)
    return examples_of(replace(dataset, items=tuple(items)))


def _rows(dataset: Dataset, listed: Sequence[str], source: str) -> list[int]:
    """Find the listed images in their dataset; `InputError` where one is not there, or is named twice."""
    names, paths = [item.name for item in dataset.items], [printable(item.path) for item in dataset.items]
    rows: list[int] = []
    for entry, row in zip(listed, match_list(listed, names, paths), strict=True):
        if row is None:
            reason = next((fault.reason for fault in dataset.skipped if fault.path == entry), "")
            remedy = reason or f"pass the dataset that {source} was chosen from; an image of it is {paths[0]}"
            raise InputError.of("add", f"must name images of {dataset.name}", entry, remedy)
        if row in rows:
            raise InputError.of("add", "must name each image once", entry, f"{source} has it twice; drop one of the lines")
        rows.append(row)
    return rows
