"""Find or download published weights (the Hugging Face hub and its cache); if they cannot be had, explain why."""

import logging
import re
import socket
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

from howfar.errors import MissingPathError, needing, one_line
from howfar.errors import option as marked

T = TypeVar("T")
_LOG = logging.getLogger("howfar")
SAFE_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
PREPROCESSOR_FILE = "preprocessor_config.json"
WEIGHTS_FILES = (SAFE_FILE, f"{SAFE_FILE}.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""File names that a model's tensors may have; errors name the first."""
HUB_ID: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
"""Mean of ImageNet's channels on the scale 0-1, which weights trained on it usually expect."""
IMAGENET_STD: Final = (0.229, 0.224, 0.225)  # standard deviation of ImageNet's channels on the scale 0-1
SAM_BASE: Final = "facebook/sam-vit-base"
SAM_SIZES: Final = {SAM_BASE: "375 MB", "facebook/sam-vit-large": "1.2 GB", "facebook/sam-vit-huge": "2.6 GB"}
SAM_SIDE: Final = 1024  # side of the pictures of every published base
_SHARDS = "model-*-of-*.safetensors"
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin")


def transformers_for(name: str) -> Any:
    """Import transformers for the network `name`; raise `MissingExtraError` if it or torch is not installed."""
    with needing(f"{name} needs transformers: pip install 'howfar[hub]'"):
        # transformers itself can be imported without torch, and then has no models.
        import_module("torch")
        import transformers
    return transformers


def fetched(name: str, repository: str, files: tuple[str, ...], read: Callable[[], T], size: str = "", hub: bool = True) -> T:
    """Return what `read` makes of published weights; `MissingPathError` says why they cannot be downloaded, and the remedy.

    `files` are the names that the weights may have, `size` that of the download; `hub` is False for a plain URL.
    """
    reason = why_unreachable(repository, files) if hub else None
    if reason is None:
        try:
            return read()
        # The hub's client, its HTTP library and timm each fail in their own ways.
        except Exception as error:
            reason = one_line(error)
    sized = f"{files[0]} ({size})" if size else files[0]
    raise MissingPathError(
        f"the weights of {name} are not on this machine and cannot be fetched ({reason}): "
        f"download {sized} of {repository} elsewhere and pass {marked('weights', 'FILE')}"
    )


def why_unreachable(repository: str, files: tuple[str, ...]) -> str | None:
    """Return why none of a repository's `files` can be downloaded; None if one is cached or may be downloaded.

    The hub's own client tries an unreachable host for most of a minute; an unknown host name is told at once.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    if any(isinstance(try_to_load_from_cache(repository.partition("@")[0], file), str) for file in files):
        return None
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    host = urlsplit(constants.ENDPOINT).hostname or ""
    if getproxies():
        return None
    try:
        socket.getaddrinfo(host, 443)
    except OSError as error:
        return f"{host}: {error.strerror or error}"
    return None


def hub_folder(
    name: str,
    repository: str,
    wanted: Sequence[tuple[str, ...]],
    beside: Sequence[str] = (),
    size: str = "",
    option: str = "weights",
) -> Path:
    """Return the folder of a repository's files in the hub's cache, downloading them if needed.

    One file of each group of `wanted` must be there; those of `beside` are downloaded too where the repository has them. The
    download's `size` and the `option` that passes a local folder are for the error.
    """
    from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError

    cached = cached_folder(repository, wanted)
    if cached is not None:
        for file in beside:
            # The cache records that a repository has no such file, which is then not asked for again.
            if (cached / file).is_file() or try_to_load_from_cache(repository, file) is not None:
                continue
            reason = why_unreachable(repository, ())
            try:
                if reason is None:
                    hf_hub_download(repository, file, revision=cached.name)
            except EntryNotFoundError:
                continue
            # The hub's client and its HTTP library each fail in their own ways.
            except Exception as error:
                reason = one_line(error)
            if reason is not None:
                _LOG.warning(
                    "%s: %s of %s is not in the hub's cache and cannot be fetched (%s): the usual is taken for what it may say",
                    name,
                    file,
                    repository,
                    reason,
                )
        return cached
    reason = why_unreachable(repository, ())
    if reason is None:
        # Pickled weights are downloaded only where there are no others.
        names = [file for group in wanted for file in group]
        pickled = [file for file in names if file in _PICKLED]
        safe = [file for file in names if file not in _PICKLED]
        try:
            folder = Path(snapshot_download(repository, allow_patterns=[*safe, *beside, *([_SHARDS] if pickled else [])]))
            if pickled and lacking(folder, wanted):
                folder = Path(snapshot_download(repository, allow_patterns=list(_PICKLED)))
            absent = lacking(folder, wanted)
            if not absent:
                return folder
            reason = f"it lacks {', '.join(absent)}"
        # The hub's client and its HTTP library each fail in their own ways.
        except Exception as error:
            reason = one_line(error)
    files = ", ".join(group[0] for group in wanted)
    raise MissingPathError(
        f"the weights of {name} are not on this machine and cannot be fetched ({reason}): download {files}"
        f"{f' ({size})' if size else ''} of {repository} elsewhere into one folder and pass {marked(option, 'FOLDER')}"
    )


def first_three(names: Sequence[str]) -> str:
    """List the first three names, and count the rest."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def lacking(folder: Path, wanted: Sequence[tuple[str, ...]]) -> list[str]:
    """List the first file of every group of `wanted` of which `folder` has no file."""
    return [group[0] for group in wanted if not any((folder / file).is_file() for file in group)]


def cached_folder(repository: str, wanted: Sequence[tuple[str, ...]]) -> Path | None:
    """Return the folder of a repository in the hub's cache that has a file of each group of `wanted`, or None."""
    from huggingface_hub import try_to_load_from_cache

    for file in wanted[0] if HUB_ID.fullmatch(repository) else ():
        path = try_to_load_from_cache(repository, file)
        if isinstance(path, str) and not lacking(Path(path).parent, wanted):
            return Path(path).parent
    return None
