"""Turn a dataset argument (a folder, table, tar or Parquet files, a name on a hub, an object) into a dataset or features."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from howfar import registry
from howfar.data import image_stacks
from howfar.data import sharded_and_hub_datasets as shards_of
from howfar.data.bands_and_bit_depth import read_so
from howfar.data.compact_item_table import Item, ItemTable
from howfar.data.containers import KINDS as KINDS_OF_CONTAINERS
from howfar.data.containers.container_base_classes import IMAGE, type_of_files
from howfar.data.containers.parquet_and_arrow import ParquetFile
from howfar.data.containers.tar_shards import compressed
from howfar.data.dataset import Dataset
from howfar.data.embedding_files import from_lance, from_parquet, is_lance, load_embeddings
from howfar.data.image_and_mask_folders import stem
from howfar.data.image_formats import image_endings
from howfar.data.image_tables_and_lists import list_table
from howfar.data.python_objects import DatasetArgument, is_several, read_object
from howfar.data.untrusted_documents_and_tables import TABLES
from howfar.errors import HowfarError, InputError, MissingPathError, one_line
from howfar.image_reading_options import by_colour, is_colour_asked, reading_asked
from howfar.io.file_location import Location, Url, absolute, as_location, file_system, is_url
from howfar.io.url_guard import name_place
from howfar.results import Features

KINDS = (
    "a folder of images, NAME=PATH, a table (.csv, .parquet), images in .tar, .parquet or .arrow files, a Hugging Face dataset "
    "(saved, or hf://owner/name), fiftyone:NAME, a URL of any, embeddings (.npy, .parquet, .lance or an array), or a Dataset"
)
FILES = {".npy", ".csv", *KINDS_OF_CONTAINERS}
"""Endings of files that are datasets."""
_HOSTED = re.compile(r"((?P<called>[^=:/]+)=)?(?P<host>[a-z]{2,}):(?P<name>(?!//).+)")
"""A dataset of another program by its name there: ``fiftyone:NAME``."""
_COMPRESSED = re.compile(r"\.(tgz|tbz2?|txz|tar\.(gz|bz2|xz|zst|zstd|lz4))$")


def parse(argument: DatasetArgument, name: str | None = None, unnamed: str = "") -> Dataset | Features:
    """Turn a dataset argument into a `Dataset` of images or into `Features`.

    Raises `MissingPathError` where nothing lies at the path, and `InputError` where it is no dataset, or not well formed.

    Parameters
    ----------
    argument
        A `Dataset` or `Features`, as it is; a folder of images; ``NAME=PATH`` (but a path that exists is a
        path, whatever it is called); a ``.csv`` or ``.parquet`` table with a column ``image`` of paths (a column
        ``embedding`` makes it embeddings); a ``.npy`` file or a ``.lance`` folder of embeddings. Images within files: a
        ``.tar`` shard, a ``.parquet`` or ``.arrow`` file whose column ``image`` holds bytes, a folder of such files alone, or a
        pattern (``shard-{000..011}.tar``); a folder that Hugging Face's ``save_to_disk`` wrote, or
        ``hf://owner/name[@revision][/config][:split]``. Of all but the last the URL serves, too (``s3://``, ``gs://``,
        ``az://``, ``memory://`` … by fsspec). A dataset of FiftyOne, or its saved view, is ``fiftyone:NAME[:VIEW]``.

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
    dataset = _parsed(argument, name, unnamed)
    if isinstance(dataset, Dataset) and (reading_asked() or image_stacks.among(dataset.items)):
        items, unread = read_so(dataset.name, dataset.items)
        if not items:
            first = f"; the first: {unread[0].path}: {unread[0].reason}" if unread else ""
            raise InputError(f"{dataset.name} holds no image that can be read: {len(unread)} files were skipped{first}")
        dataset = replace(dataset, items=items, skipped=(*dataset.skipped, *unread))
    # Masks are read by the foreground colour that the user chose.
    if not is_colour_asked() or not isinstance(dataset, Dataset):
        return dataset
    items = ItemTable.of(item if item.mask is None else replace(item, mask=by_colour(item.mask)) for item in dataset.items)
    return replace(dataset, items=items)


def parse_images(
    argument: DatasetArgument, unnamed: str = "", what: str = "dataset", rule: str = "must be images, not embeddings"
) -> Dataset:
    """Read a dataset of images, named `unnamed` if it has no name; raise `InputError` about `what` for embeddings."""
    dataset = parse(argument, unnamed=unnamed)
    if not isinstance(dataset, Dataset):
        raise InputError.of(what, rule, dataset.name)
    return dataset


def _parsed(argument: DatasetArgument, name: str | None, unnamed: str) -> Dataset | Features:
    if isinstance(argument, (Dataset, Features)):
        if name is None:
            return argument
        return replace(argument, name=name, skipped=tuple(replace(fault, dataset=name) for fault in argument.skipped))
    if isinstance(argument, (str, Path)):
        hosted = _HOSTED.fullmatch(str(argument))
        if hosted and hosted["host"] in registry.names("dataset_hosts") and not absolute(argument).exists():
            read: Dataset = registry.load("dataset_hosts", hosted["host"])(hosted["name"], name or hosted["called"])
            return read
        try:
            location, written_name = location_and_name(argument)
            called = name or written_name
            return _read_local(location, called) if isinstance(location, Path) else _read_remote(location, called)
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
    """Split a dataset argument into its absolute path or URL and the name from ``NAME=PATH``, if any."""
    text = str(argument)
    if not text.strip():
        raise InputError.of("dataset", f"must be {KINDS}", text)
    name, equals, rest = text.partition("=")
    if isinstance(argument, Path) or not equals or is_url(text) or absolute(text).exists():
        return as_location(argument), None
    if not name.strip() or not rest.strip():
        raise InputError.of("dataset", "must have a name and a path around =", text, "write NAME=PATH")
    return as_location(rest.strip()), name.strip()


def _read_remote(url: Url, name: str | None) -> Dataset | Features:
    if url.startswith("hf://") and not url.startswith("hf://datasets/"):  # that is the URL of a file on the hub
        return shards_of.read_hub(url, name)
    name_place(url)
    try:
        # Drop what is remembered of its folders, so that what others have written since is seen.
        file_system(url)[0].invalidate_cache()
        if shards_of.has_braces(url):
            return shards_of.read_pattern(url, name)
        if url.lower().startswith(("http://", "https://")):
            return _read_file(url, name)  # there is nothing to list
        if url.suffix.lower() in FILES and url.is_file():
            return _read_file(url, name)
        if is_lance(url):
            return from_lance(url, name)
        shards = shards_of.shards_in(url) if url.is_dir() else []
        return shards_of.read_shards(shards, name or url.name, url) if shards else Dataset.from_folder(url, name)
    except (HowfarError, FileNotFoundError):
        raise
    except Exception as error:  # a file system's library may raise anything
        raise InputError(f"{url} cannot be read: {one_line(error)}") from error


def _read_local(path: Path, name: str | None) -> Dataset | Features:
    if not path.exists():
        if shards_of.has_braces(str(path)):
            return shards_of.read_pattern(str(path), name)
        raise MissingPathError(f"nothing at {path}: pass {KINDS}")
    if not path.is_dir():
        return _read_file(path, name)
    if is_lance(path):
        return from_lance(path, name)
    if (path / shards_of.STATE).is_file() or (path / shards_of.SPLITS).is_file():
        return shards_of.read_saved(path, name)
    shards = shards_of.shards_in(path)
    return shards_of.read_shards(shards, name or path.name, path) if shards else Dataset.from_folder(path, name)


def _read_file(location: Location, name: str | None) -> Dataset | Features:
    suffix = location.suffix.lower()
    if suffix == ".npy":
        return load_embeddings(location, name)
    if suffix == ".csv":
        return Dataset.from_table(location, name)
    if suffix in TABLES:
        table = ParquetFile(location, "table")
        if "embedding" in table.schema.names:
            return from_parquet(table, name)
        if type_of_files(table.schema, IMAGE) is None:
            return Dataset(*list_table(table, name))
        return shards_of.read_shards([location], name or location.stem, location, table)
    if suffix in KINDS_OF_CONTAINERS:
        return shards_of.read_shards([location], name or location.stem, location)
    if image_stacks.is_stack(location) or (reading_asked().window and suffix in image_endings()):
        return Dataset(name or stem(location.name), (Item(location.name, location),), (), location)
    if _COMPRESSED.search(location.name.lower()):
        raise compressed(location, suffix)
    raise InputError.of("dataset", f"must be {KINDS}", str(location), "put images into a folder")
