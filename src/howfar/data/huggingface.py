"""Read Hugging Face datasets: folders of ``save_to_disk`` without their library, and names on the hub by it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from howfar.data.container_datasets import read_shards
from howfar.data.containers.arrow import look_ahead
from howfar.data.dataset import Dataset
from howfar.data.folder_walk import is_text
from howfar.errors import InputError, MissingExtraError, one_line

ARROW = ".arrow"
STATE, SPLITS = "state.json", "dataset_dict.json"
"""Files that tell a saved ``Dataset``, and a saved ``DatasetDict``."""

HUB = "hf://owner/name[@revision][/config][:split]"
_HUB = re.compile(
    r"hf://(?P<owner>[^/@:]+)/(?P<name>[^/@:]+)(@(?P<revision>[^/:]+))?(/(?P<config>[^/:]+))?(:(?P<split>\w+(\.\w+)*))?"
)


def is_saved(folder: Path) -> bool:
    """Return whether a folder was written by ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk``.

    Examples
    --------
    >>> is_saved(Path("no/such"))
    False
    """
    return (folder / STATE).is_file() or (folder / SPLITS).is_file()


def read_saved(folder: Path, name: str | None = None) -> Dataset:
    """Read a saved dataset from its Arrow files; of one with several splits the folder of one split must be named.

    Raises `InputError` where it has several splits, is not well formed, or has no column image of bytes.
    """
    if (folder / SPLITS).is_file() and not (folder / STATE).is_file():
        splits = _json(folder / SPLITS).get("splits")
        if not isinstance(splits, list) or not splits or not all(map(_is_file_name, splits)):
            raise InputError(f"{folder / SPLITS} names no split: save the dataset anew")
        split = _only(splits, str(folder), f"{folder}/{{}}")
        return read_saved(folder / split, name or folder.name)
    state = _json(folder / STATE)
    try:
        names = [file["filename"] for file in state["_data_files"]]
        files = [folder / name for name in names if _is_file_name(name) and name.lower().endswith(ARROW)]
        if len(files) < len(names):
            raise TypeError("no file is called so")
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / STATE} lists no data files: save the dataset anew with save_to_disk") from error
    if state.get("_indices_data_files"):
        raise InputError(f"{folder} keeps a choice of rows beside its data: call flatten_indices() before save_to_disk")
    look_ahead(files)
    return read_shards(files, name or folder.name, folder)


class HubName(NamedTuple):
    """Hold the parts of a dataset's name on the hub."""

    repository: str
    revision: str | None
    config: str | None
    split: str | None


def is_hub_name(text: object) -> bool:
    """Return whether a text names a dataset on the hub; ``hf://datasets/…`` is a file there, and read like any URL.

    Examples
    --------
    >>> is_hub_name("hf://owner/roads"), is_hub_name("hf://datasets/owner/roads/train.parquet"), is_hub_name("owner/roads")
    (True, False, False)
    """
    return isinstance(text, str) and text.startswith("hf://") and not text.startswith("hf://datasets/")


def hub_name(text: str) -> HubName:
    """Split a name on the hub into its parts. Raises `InputError` where it is not of the form.

    Examples
    --------
    >>> hub_name("hf://owner/roads@v1/wet:train")
    HubName(repository='owner/roads', revision='v1', config='wet', split='train')
    """
    parts = _HUB.fullmatch(text)
    if not parts:
        raise InputError.of("a dataset on the hub", f"must be {HUB}", text)
    revision = parts["revision"] and unquote(parts["revision"])
    return HubName(f"{parts['owner']}/{parts['name']}", revision, parts["config"], parts["split"])


def read_hub(text: str, name: str | None = None) -> Dataset:
    """Read a dataset on the hub: Hugging Face's library fetches it into its cache once; from there its files are read.

    `text` is ``hf://owner/name[@revision][/config][:split]``; the dataset's name is by default the hub's, and the split where
    one is given. Raises `MissingExtraError` where the library is not there, and `InputError` where there is no such dataset,
    configuration or split, or it has several splits and none is named.
    """
    parts = hub_name(text)
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("hf:// needs datasets: pip install 'howfar[datasets]'") from error
    try:
        builder = datasets.load_dataset_builder(parts.repository, parts.config, revision=parts.revision)
        splits = list(builder.info.splits or ())
        split = parts.split or (_only(splits, text, f"{text}:{{}}") if splits else None)
        builder.download_and_prepare()
        split = split or _only(list(builder.info.splits or ()), text, f"{text}:{{}}")
        files = [Path(file["filename"]) for file in builder.as_dataset(split=split).cache_files]
    except InputError:
        raise
    except Exception as error:  # over a network anything may be raised
        raise InputError(
            f"{text} cannot be read ({one_line(error)}): check the name, or save it and name the folder"
        ) from error
    short = parts.repository.partition("/")[2]
    return read_shards(files, name or (f"{short}-{parts.split}" if parts.split else short), files[0].parent)


def _only(splits: Sequence[str], what: str, form: str) -> str:
    if len(splits) != 1:
        listed = ", ".join(splits) or "none"
        example = form.format(splits[0]) if splits else what
        raise InputError(f"{what} has several splits ({listed}): name one, as {example}")
    return splits[0]


def _is_file_name(name: object) -> bool:
    return isinstance(name, str) and "\0" not in name and is_text(name)


def _json(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = one_line(error, 120)
        raise InputError(f"{file} is not readable JSON ({reason}): save the dataset anew with save_to_disk") from error
    if not isinstance(document, dict):
        raise InputError(f"{file} is not what save_to_disk writes: save the dataset anew")
    return document
