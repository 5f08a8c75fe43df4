"""Turn a dataset argument (a folder, table, tar or Parquet files, a name on a hub, an object) into a dataset or features."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from pathlib import Path
from urllib.parse import unquote

from howfar import registry
from howfar.data import image_stacks
from howfar.data.bands_and_bit_depth import read_so
from howfar.data.compact_item_table import Item, ItemTable
from howfar.data.containers import KINDS as KINDS_OF_CONTAINERS
from howfar.data.containers import Member, opened
from howfar.data.containers.container_base_classes import IMAGE, type_of_files
from howfar.data.containers.parquet_and_arrow import ParquetFile, look_ahead
from howfar.data.containers.tar_shards import compressed
from howfar.data.dataset import Dataset, leads_out, unshared
from howfar.data.embedding_files import from_lance, from_parquet, is_lance, load_embeddings
from howfar.data.image_and_mask_folders import FOLDER, is_image_name, is_text, kind_of, natural_key, path_text, stem, suffix_of
from howfar.data.image_formats import image_endings
from howfar.data.image_tables_and_lists import list_table
from howfar.data.python_objects import DatasetArgument, is_several, read_object
from howfar.data.untrusted_documents_and_tables import TABLES, read_json, readable
from howfar.errors import HowfarError, InputError, MissingPathError, needing, one_line
from howfar.image_reading_options import by_colour, is_colour_asked, reading_asked
from howfar.io.file_location import Location, Url, absolute, as_location, file_system, is_url
from howfar.io.url_guard import name_place
from howfar.results import Features, Skipped

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)")
_OF_SPLIT = re.compile(r"(?P<split>.+)-[0-9]{5}-of-[0-9]{5}(-[0-9a-f]+)?\.[a-z]+")
_MOST = 100_000


def read_shards(files: Sequence[Location], name: str, root: Location, table: ParquetFile | None = None) -> Dataset:
    """Make one dataset from the images in several containers, in the order of the files; one that cannot be read is skipped.

    Images have the names that the containers give them if all are there and differ, else the container's and the member's name.
    """
    members: list[tuple[Location, Member]] = []
    skipped: list[Skipped] = []
    for file in files:
        try:
            listing = opened(file, fresh=True, file=table).listing()
        except (HowfarError, OSError) as error:  # a shard that is damaged costs its own images alone
            if len(files) == 1:
                raise
            reason = "no such file" if isinstance(error, FileNotFoundError) else one_line(error, 1000)
            skipped.append(Skipped(name, path_text(file), reason))
            continue
        members.extend((file, member) for member in listing.members)
        faults = ((file / inner_path if inner_path else file, reason) for inner_path, reason in listing.faults)
        skipped.extend(Skipped(name, path_text(path), reason) for path, reason in faults)
    if not members:
        first = f" ({len(skipped)} skipped; the first: {skipped[0].path}: {skipped[0].reason})" if skipped else ""
        raise InputError(f"no image in {root}{first}: pass files with images in them")
    names = [member.name or "" for _, member in members]
    if not all(names) or len(set(names)) < len(names):
        places = [str(file) for file in dict.fromkeys(file for file, _ in members)]
        below = unshared(places) if len(places) > 1 else {places[0]: ""}
        names = [f"{below[str(file)]}/{member.inner_path}".lstrip("/") for file, member in members]
    elif any(map(leads_out, names)):
        names = list(unshared(names).values())
    items = tuple(
        Item(
            shown, file / member.inner_path, None if member.mask is None else file / member.mask, member.label, (), member.group
        )
        for shown, (file, member) in zip(names, members, strict=True)
    )
    return Dataset(name, items, tuple(skipped), root)


def has_braces(text: str) -> bool:
    """Return whether a text contains a brace pattern: ``{000..011}`` or ``{a,b}``."""
    return any("," in inner or _RANGE.fullmatch(inner) for inner in _BRACES.findall(text))


def expand(pattern: str) -> list[str]:
    """Expand a brace pattern as a shell does, to 100,000 files at most; numbers keep their leading zeros."""
    choices: list[list[str]] = []
    for place, text in enumerate(_BRACES.split(pattern)):
        if place % 2 == 0:  # between braces
            choices.append([text])
        elif numbers := _RANGE.fullmatch(text):
            low, high = (int(number) if len(number) < 1000 else -1 for number in numbers.groups())
            if low < 0 or high < 0 or low > high or high - low >= _MOST:
                raise InputError.of("dataset", f"must have ranges that rise, over at most {_MOST:,} numbers", pattern)
            choices.append([f"{number:0{len(numbers[1])}d}" for number in range(low, high + 1)])
        else:
            choices.append(text.split(",") if "," in text else [f"{{{text}}}"])
    count = prod(map(len, choices))
    if count > _MOST:
        raise InputError.of("dataset", f"must stand for at most {_MOST:,} files", pattern, f"it stands for {count:,}")
    return ["".join(chosen) for chosen in product(*choices)]


def _read_pattern(pattern: str, name: str | None) -> Dataset:
    """Read the containers that a brace pattern names; missing files are skipped."""
    files = [as_location(text) for text in expand(pattern)]
    other = next((file for file in files if file.suffix.lower() not in KINDS_OF_CONTAINERS), None)
    if other is not None:
        raise InputError.of("a pattern", f"must stand for files that end in {', '.join(KINDS_OF_CONTAINERS)}", str(other))
    shown = _BRACES.sub("", pattern).rpartition("/")[2].removesuffix(files[0].suffix.lower()).strip("-_. ")
    return read_shards(files, name or shown or files[0].parent.name or "dataset", as_location(pattern))


def _shards_in(folder: Location) -> list[Location]:
    """List a folder's containers in natural order; empty if the folder also holds an image file or a folder."""
    names = []
    for name, is_folder in _entries(folder):
        if is_folder or is_image_name(name):
            return []
        names.append(name)
    for kind in KINDS_OF_CONTAINERS:
        of_kind = [name for name in names if suffix_of(name) == kind]
        # Train and test, as on the hub, are two datasets.
        matches = [_OF_SPLIT.fullmatch(name) for name in of_kind]
        splits = dict.fromkeys(match["split"] for match in matches if match)
        if len(splits) > 1 and all(matches):
            first = f"{folder / next(iter(splits))}-{{00000..…}}-of-…{suffix_of(of_kind[0])}"
            raise InputError(f"{folder} has several splits ({', '.join(splits)}): name the files of one, as {first}")
        if of_kind:
            return [folder / name for name in sorted(of_kind, key=natural_key)]
    return []


def _entries(folder: Location) -> Iterator[tuple[str, bool]]:
    """Yield the name and an is-folder flag of each visible entry of a folder."""
    if isinstance(folder, Path):
        with os.scandir(folder) as entries:
            yield from ((entry.name, kind_of(entry) == FOLDER) for entry in entries if not entry.name.startswith("."))
        return
    system, path = file_system(folder)
    for entry in system.ls(path, detail=True):
        name = Url(str(entry["name"]).rstrip("/")).name
        if name and not name.startswith("."):
            yield name, entry["type"] == "directory"


STATE, SPLITS = "state.json", "dataset_dict.json"
"""Files that tell a saved ``Dataset``, and a saved ``DatasetDict``."""

_SAVE = "save the dataset anew with save_to_disk"
HUB = "hf://owner/name[@revision][/config][:split]"
_HUB = re.compile(
    r"hf://(?P<owner>[^/@:]+)/(?P<name>[^/@:]+)(@(?P<revision>[^/:]+))?(/(?P<config>[^/:]+))?(:(?P<split>\w+(\.\w+)*))?"
)


def read_saved(folder: Path, name: str | None = None) -> Dataset:
    """Read a saved Hugging Face dataset from its Arrow files; if it has several splits, name one split's folder."""
    if (folder / SPLITS).is_file() and not (folder / STATE).is_file():
        with readable(folder / SPLITS, _SAVE):
            splits = read_json(folder / SPLITS)["splits"]
            if not isinstance(splits, list) or not splits or not all(map(_is_file_name, splits)):
                raise InputError("it names no split")
        split = _only(splits, str(folder), f"{folder}/{{}}")
        return read_saved(folder / split, name or folder.name)
    with readable(folder / STATE, _SAVE):
        state = read_json(folder / STATE)
        names = [file["filename"] for file in state["_data_files"]]
        files = [folder / name for name in names if _is_file_name(name) and name.lower().endswith(".arrow")]
        if len(files) < len(names):
            raise InputError("it lists no data files")
    if state.get("_indices_data_files"):
        raise InputError(f"{folder} keeps a choice of rows beside its data: call flatten_indices() before save_to_disk")
    look_ahead(files)
    return read_shards(files, name or folder.name, folder)


def hub_name(text: str) -> tuple[str, str | None, str | None, str | None]:
    """Split the name of a dataset on the Hugging Face hub into its repository, revision, config and split."""
    parts = _HUB.fullmatch(text)
    if not parts:
        raise InputError.of("a dataset on the hub", f"must be {HUB}", text)
    revision = parts["revision"] and unquote(parts["revision"])
    return f"{parts['owner']}/{parts['name']}", revision, parts["config"], parts["split"]


def _read_hub(text: str, name: str | None = None) -> Dataset:
    """Read a dataset on the hub: Hugging Face's library downloads it to its cache, and howfar reads it there."""
    repository, revision, config, own = hub_name(text)
    with needing("hf:// needs datasets: pip install 'howfar[datasets]'"):
        import datasets
    with readable(text, "check the name, or save it and name the folder"):
        builder = datasets.load_dataset_builder(repository, config, revision=revision)
        splits = list(builder.info.splits or ())
        split = own or (_only(splits, text, f"{text}:{{}}") if splits else None)
        builder.download_and_prepare()
        split = split or _only(list(builder.info.splits or ()), text, f"{text}:{{}}")
        files = [Path(file["filename"]) for file in builder.as_dataset(split=split).cache_files]
    short = repository.partition("/")[2]
    return read_shards(files, name or (f"{short}-{own}" if own else short), files[0].parent)


def _only(splits: Sequence[str], what: str, form: str) -> str:
    if len(splits) != 1:
        listed = ", ".join(splits) or "none"
        example = form.format(splits[0]) if splits else what
        raise InputError(f"{what} has several splits ({listed}): name one, as {example}")
    return splits[0]


def _is_file_name(name: object) -> bool:
    return isinstance(name, str) and "\0" not in name and is_text(name)


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
        return _read_hub(url, name)
    name_place(url)
    try:
        # Drop what is remembered of its folders, so that what others have written since is seen.
        file_system(url)[0].invalidate_cache()
        if has_braces(url):
            return _read_pattern(url, name)
        if url.lower().startswith(("http://", "https://")):
            return _read_file(url, name)  # there is nothing to list
        if url.suffix.lower() in FILES and url.is_file():
            return _read_file(url, name)
        if is_lance(url):
            return from_lance(url, name)
        shards = _shards_in(url) if url.is_dir() else []
        return read_shards(shards, name or url.name, url) if shards else Dataset.from_folder(url, name)
    except (HowfarError, FileNotFoundError):
        raise
    except Exception as error:  # a file system's library may raise anything
        raise InputError(f"{url} cannot be read: {one_line(error)}") from error


def _read_local(path: Path, name: str | None) -> Dataset | Features:
    if not path.exists():
        if has_braces(str(path)):
            return _read_pattern(str(path), name)
        raise MissingPathError(f"nothing at {path}: pass {KINDS}")
    if not path.is_dir():
        return _read_file(path, name)
    if is_lance(path):
        return from_lance(path, name)
    if (path / STATE).is_file() or (path / SPLITS).is_file():
        return read_saved(path, name)
    shards = _shards_in(path)
    return read_shards(shards, name or path.name, path) if shards else Dataset.from_folder(path, name)


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
        return read_shards([location], name or location.stem, location, table)
    if suffix in KINDS_OF_CONTAINERS:
        return read_shards([location], name or location.stem, location)
    if image_stacks.is_stack(location) or (reading_asked().window and suffix in image_endings()):
        return Dataset(name or stem(location.name), (Item(location.name, location),), (), location)
    if _COMPRESSED.search(location.name.lower()):
        raise compressed(location, suffix)
    raise InputError.of("dataset", f"must be {KINDS}", str(location), "put images into a folder")
