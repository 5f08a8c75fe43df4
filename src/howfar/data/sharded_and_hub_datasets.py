"""Read datasets of several tar, Parquet or Arrow files: shards, saved Hugging Face datasets, and datasets on its hub."""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from pathlib import Path
from urllib.parse import unquote

from howfar.data.compact_item_table import Item
from howfar.data.containers import KINDS as KINDS_OF_CONTAINERS
from howfar.data.containers import Member, opened
from howfar.data.containers.parquet_and_arrow import ParquetFile, look_ahead
from howfar.data.dataset import Dataset
from howfar.data.image_and_mask_folders import FOLDER, is_image_name, is_text, kind_of, natural_key, path_text, suffix_of
from howfar.data.name_matching import leads_out, unshared
from howfar.data.untrusted_documents_and_tables import read_json, readable
from howfar.errors import HowfarError, InputError, needing, one_line
from howfar.io.file_location import Location, Url, as_location, file_system
from howfar.results import Skipped

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


def read_pattern(pattern: str, name: str | None) -> Dataset:
    """Read the containers that a brace pattern names; missing files are skipped."""
    files = [as_location(text) for text in expand(pattern)]
    other = next((file for file in files if file.suffix.lower() not in KINDS_OF_CONTAINERS), None)
    if other is not None:
        raise InputError.of("a pattern", f"must stand for files that end in {', '.join(KINDS_OF_CONTAINERS)}", str(other))
    shown = _BRACES.sub("", pattern).rpartition("/")[2].removesuffix(files[0].suffix.lower()).strip("-_. ")
    return read_shards(files, name or shown or files[0].parent.name or "dataset", as_location(pattern))


def shards_in(folder: Location) -> list[Location]:
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


def read_hub(text: str, name: str | None = None) -> Dataset:
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
