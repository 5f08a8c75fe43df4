"""Turn a dataset argument, on the command line or in Python, into a dataset or into features."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from howfar.data.container_datasets import has_braces, read_pattern, read_shards, shards_in
from howfar.data.containers import KINDS as KINDS_OF_CONTAINERS
from howfar.data.containers.image_column import IMAGE, kind_of
from howfar.data.containers.parquet_file import ParquetFile
from howfar.data.containers.tar import compressed
from howfar.data.dataset import Dataset
from howfar.data.embeddings import from_lance, from_parquet, load_embeddings
from howfar.data.huggingface import is_hub_name, is_saved, read_hub, read_saved
from howfar.data.item_table import ItemTable
from howfar.data.lance_folder import is_lance
from howfar.data.python_objects import DatasetArgument, is_several, read_object
from howfar.data.table import list_table
from howfar.errors import HowfarError, InputError, MissingPathError, one_line
from howfar.io.cell_urls import name_place
from howfar.io.location import Location, Url, absolute, as_location, file_system, is_url
from howfar.mask_colour import by_colour, is_asked
from howfar.results import Features

KINDS = (
    "a folder of images, NAME=PATH, a table (.csv, .parquet), images in .tar, .parquet or .arrow files, a Hugging Face dataset "
    "(saved, or hf://owner/name), a URL of any, embeddings (.npy, .parquet, .lance or an array), or a Dataset"
)
PARQUET = (".parquet", ".pq")
FILES = {".npy", ".csv", *KINDS_OF_CONTAINERS}
"""Endings of files that are datasets."""
_COMPRESSED = re.compile(r"\.(tgz|tbz2?|txz|tar\.(gz|bz2|xz|zst|zstd|lz4))$")


def parse(argument: DatasetArgument, name: str | None = None, unnamed: str = "") -> Dataset | Features:
    """Turn a dataset argument into a `Dataset` of images, or into the `Features` that it already is.

    Parameters
    ----------
    argument
        A `Dataset` or `Features`, as it is; a folder of images; ``NAME=PATH`` (but a path that exists is a
        path, whatever it is called); a ``.csv`` or ``.parquet`` table with a column ``image`` of paths (a column
        ``embedding`` makes it embeddings); a ``.npy`` file or a ``.lance`` folder of embeddings. Images within files: a
        ``.tar`` shard, a ``.parquet`` or ``.arrow`` file whose column ``image`` holds bytes, a folder of such files alone, or a
        pattern (``shard-{000..011}.tar``); a folder that Hugging Face's ``save_to_disk`` wrote, or
        ``hf://owner/name[@revision][/config][:split]``. Of all but the last the URL serves, too (``s3://``, ``gs://``,
        ``az://``, ``memory://`` … by fsspec).

        A mapping of one name to any of these names it, as ``NAME=PATH`` does.

        Objects: an (n, q) array of embeddings; a list of image paths, Pillow images or arrays (h, w[, 3]); an array (n, h, w),
        (n, h, w, 3) or (n, 3, h, w) of pictures, uint8 or floating of 0-1; a pandas or polars data frame with a column
        ``image`` of paths or pictures, and where wished ``mask``, ``label`` and further ones; torchvision's ``ImageFolder``, or
        any torch dataset that gives images by number, alone, with a class or with a mask; a loaded Hugging Face dataset.
        Pictures in memory are read one at a time, by one thread at a time, and never in another process.
    name
        The dataset's name, above every other.
    unnamed
        What to call an object that has no name of its own; by default ``array`` or ``images``.

    Raises
    ------
    MissingPathError
        Nothing lies at the path.
    InputError
        It is nothing of the above, or is not well formed.

    Examples
    --------
    >>> import numpy as np
    >>> parse(np.eye(2), name="ours").rows.shape
    (2, 2)
    >>> parse([np.zeros((8, 8, 3), np.uint8)] * 2, name="ours")
    Dataset('ours': 2 images)
    >>> parse("roads=no/such/folder")
    Traceback (most recent call last):
    howfar.errors.MissingPathError: nothing at ...
    """
    return _coloured(_parsed(argument, name, unnamed))


def _coloured(dataset: Dataset | Features) -> Dataset | Features:
    """Let the masks be read by the colour that the user says is foreground."""
    if not is_asked() or not isinstance(dataset, Dataset):
        return dataset
    items = ItemTable.of(item if item.mask is None else replace(item, mask=by_colour(item.mask)) for item in dataset.items)
    return replace(dataset, items=items)


def _parsed(argument: DatasetArgument, name: str | None, unnamed: str) -> Dataset | Features:
    if isinstance(argument, (Dataset, Features)):
        return argument if name is None else _renamed(argument, name)
    if isinstance(argument, (str, Path)):
        try:
            location, written_name = location_and_name(argument)
            return _read(location, name or written_name)
        except HowfarError:
            raise
        except FileNotFoundError as error:
            raise MissingPathError(f"nothing at {argument}: check it") from error
        except OSError as error:
            raise InputError(f"{argument} cannot be read: {error.strerror or error}: check the path") from error
    if isinstance(argument, Mapping) and len(argument) == 1 and not is_several(argument):
        ((own_name, only),) = argument.items()
        return _parsed(only, name or str(own_name), "")
    return read_object(argument, name, unnamed or ("array" if hasattr(argument, "__array__") else "images"))


def location_and_name(argument: str | Path) -> tuple[Location, str | None]:
    """Split a dataset argument into its absolute path or URL, and the name that ``NAME=PATH`` gives it.

    Raises `InputError` where it is empty, or has nothing on one side of its equals sign.

    Examples
    --------
    >>> location_and_name("roads=s3://bucket/roads")
    ('s3://bucket/roads', 'roads')
    """
    text = str(argument)
    if not text.strip():
        raise InputError.of("dataset", f"must be {KINDS}", text)
    name, equals, rest = text.partition("=")
    if isinstance(argument, Path) or not equals or is_url(text) or absolute(text).exists():
        return as_location(argument), None
    if not name.strip() or not rest.strip():
        raise InputError.of("dataset", "must have a name and a path around =", text, "write NAME=PATH")
    return as_location(rest.strip()), name.strip()


def _read(location: Location, name: str | None) -> Dataset | Features:
    return _read_local(location, name) if isinstance(location, Path) else _read_remote(location, name)


def _read_remote(url: Url, name: str | None) -> Dataset | Features:
    if is_hub_name(url):
        return read_hub(url, name)
    name_place(url)
    try:
        # Drop what is remembered of its folders, so that what others have written since is seen.
        file_system(url)[0].invalidate_cache()
        if has_braces(url):
            return read_pattern(url, name)
        if url.lower().startswith(("http://", "https://")):
            return _read_file(url, name)  # there is nothing to list
        if url.suffix.lower() in FILES and url.is_file():
            return _read_file(url, name)
        if is_lance(url):
            return from_lance(url, name)
        shards = shards_in(url) if url.is_dir() else []
        return read_shards(shards, name or url.name, url) if shards else Dataset.from_folder(url, name)
    except (HowfarError, FileNotFoundError):
        raise
    except Exception as error:  # a file system's library may raise anything
        raise InputError(f"{url} cannot be read: {one_line(error)}") from error


def _read_local(path: Path, name: str | None) -> Dataset | Features:
    if not path.exists():
        if has_braces(str(path)):
            return read_pattern(str(path), name)
        raise MissingPathError(f"nothing at {path}: pass {KINDS}")
    if not path.is_dir():
        return _read_file(path, name)
    if is_lance(path):
        return from_lance(path, name)
    if is_saved(path):
        return read_saved(path, name)
    shards = shards_in(path)
    return read_shards(shards, name or path.name, path) if shards else Dataset.from_folder(path, name)


def _read_file(location: Location, name: str | None) -> Dataset | Features:
    suffix = location.suffix.lower()
    if suffix == ".npy":
        return load_embeddings(location, name)
    if suffix == ".csv":
        return Dataset.from_table(location, name)
    if suffix in PARQUET:
        return _read_parquet(ParquetFile(location, "table"), name)
    if suffix in KINDS_OF_CONTAINERS:
        return read_shards([location], name or location.stem, location)
    if _COMPRESSED.search(location.name.lower()):
        raise compressed(location, suffix)
    raise InputError.of("dataset", f"must be {KINDS}", str(location), "put images into a folder")


def _read_parquet(table: ParquetFile, name: str | None) -> Dataset | Features:
    if "embedding" in table.schema.names:
        return from_parquet(table, name)
    if kind_of(table.schema, IMAGE) is None:
        return Dataset(*list_table(table, name))
    return read_shards([table.location], name or table.location.stem, table.location, table)


def _renamed(dataset: Dataset | Features, name: str) -> Dataset | Features:
    skipped = tuple(replace(fault, dataset=name) for fault in dataset.skipped)
    return replace(dataset, name=name, skipped=skipped)
