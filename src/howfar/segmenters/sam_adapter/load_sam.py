"""Load the Segment Anything model that SAM-Adapter adapts, from a local folder, the hub's cache or the hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from howfar.errors import InputError, MissingPathError, one_line
from howfar.segmenters.sam_adapter.options import BASE, SIDE, SIZES
from howfar.weights.hub import CONFIG_FILE, HUB_ID, SAFE_FILE, first_three, transformers_for, why_unreachable
from howfar.weights.state_dicts import read_state_dict

T = TypeVar("T")


def load_sam(base: str, pretrained: bool | Path) -> Any:
    """Build a ``transformers.SamModel``, float32, on the CPU.

    `base` is a local folder with ``config.json`` and ``model.safetensors``, or a hub id. `pretrained` is True for the base
    model's weights, a file for those of a state dict, False for random ones: then only the configuration is read, and not even
    that for ``facebook/sam-vit-base``, which is transformers' default. Absence of transformers raises `MissingExtraError`; of
    the folder, a file of it or the hub `MissingPathError`; a base that is no SAM, or weights that do not fit it, `InputError`.
    """
    library = transformers_for("adsam")
    wanted = (CONFIG_FILE, SAFE_FILE) if pretrained is True else (CONFIG_FILE,)
    folder = _folder(base, wanted)
    if pretrained is not True and base == BASE and folder is None:
        config = library.SamConfig()
    else:
        config = _config(library, base, folder, wanted)
    if pretrained is False:
        return library.SamModel(config)
    options: dict[str, Any] = {"config": config, "dtype": torch.float32, "output_loading_info": True}
    if isinstance(pretrained, Path):
        state = read_state_dict(pretrained)
        return _fitting(str(pretrained), lambda: library.SamModel.from_pretrained(None, state_dict=state, **options))
    options["use_safetensors"] = True

    def read(local: bool) -> Any:
        return library.SamModel.from_pretrained(folder or base, local_files_only=local, **options)

    return _fitting(base, lambda: _of_hub(base, wanted, read) if folder is None else read(True))


def sam_of(config: Any) -> Any:
    """Build a ``transformers.SamModel`` with random weights from the configuration that a checkpoint holds.

    Absence of transformers raises `MissingExtraError`, a configuration that is not a SAM's `InputError`.
    """
    library = transformers_for("adsam")
    if not isinstance(config, Mapping) or config.get("model_type") != "sam":
        raise InputError("the checkpoint does not hold the configuration of a SAM: train again")
    try:
        return library.SamModel(library.SamConfig.from_dict(dict(config)))
    # transformers and the libraries that it uses each fail in their own ways.
    except Exception as error:
        raise InputError(f"the checkpoint's configuration of SAM cannot be read ({one_line(error)}): train again") from error


def side_of(base: str) -> int | None:
    """Find the side of a base model's images, where it is a folder, published, or in the hub's cache; None otherwise."""
    folder = Path(base).expanduser()
    if not folder.is_dir() and base in SIZES:
        return SIDE
    file = folder / CONFIG_FILE if folder.is_dir() else _cached_config(base)
    try:
        side = None if file is None else json.loads(file.read_text(encoding="utf-8"))["vision_config"].get("image_size", SIDE)
    # Errors are raised later, when the base model is built.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return side if isinstance(side, int) else None


def _cached_config(base: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(base, CONFIG_FILE) if HUB_ID.fullmatch(base) else None
    return Path(path) if isinstance(path, str) else None


def _folder(base: str, wanted: tuple[str, ...]) -> Path | None:
    """Give the folder that `base` names, or None where it is a hub id."""
    folder = Path(base).expanduser()
    if folder.is_dir():
        absent = [name for name in wanted if not (folder / name).is_file()]
        if absent:
            raise MissingPathError(f"adsam's base must hold {' and '.join(wanted)}, and {base} lacks {' and '.join(absent)}")
        return folder
    if HUB_ID.fullmatch(base) is None:
        raise MissingPathError(f"adsam's base must be a folder, or a hub id such as {BASE}, and {base!r} is neither")
    return None


def _config(library: Any, base: str, folder: Path | None, wanted: tuple[str, ...]) -> Any:
    def read(local: bool) -> dict[str, Any]:
        values: dict[str, Any] = library.SamConfig.get_config_dict(folder or base, local_files_only=local)[0]
        return values

    try:
        values = read(True) if folder is not None else _of_hub(base, wanted, read)
        kind = values.get("model_type")
        config = library.SamConfig.from_dict(values) if kind == "sam" else None
    except MissingPathError:
        raise
    # Damaged text, and values that transformers' strict configurations refuse: errors of several libraries' own kinds.
    except Exception as error:
        raise InputError(f"adsam's base has no readable {CONFIG_FILE}: {base} ({one_line(error)})") from error
    if config is None:
        raise InputError.of("adsam's base", "must be a SAM (model_type 'sam' in its config.json)", kind, f"name {BASE}, say")
    return config


def _of_hub(base: str, wanted: tuple[str, ...], read: Callable[[bool], T]) -> T:
    """Call `read` with True, for the cache alone, and with False, for the hub, where the cache lacks a file."""
    try:
        return read(True)
    except OSError:
        reason = why_unreachable(base, wanted[-1:])
    if reason is None:
        try:
            return read(False)
        # The hub's client, its HTTP library and transformers each fail in their own ways.
        except Exception as error:
            reason = one_line(error)
    size = f" ({SIZES[base]})" if base in SIZES and SAFE_FILE in wanted else ""
    raise MissingPathError(
        f"adsam's base {base} is not on this machine and cannot be fetched ({reason}): download {' and '.join(wanted)}{size} "
        f"of {base} elsewhere into one folder and pass base=FOLDER"
    )


def _fitting(source: str, read: Callable[[], Any]) -> Any:
    """Return the model if every tensor of it was read; transformers would invent those that are absent."""
    try:
        model, info = read()
    except RuntimeError as error:
        raise InputError(f"weights do not fit adsam's base: {source} ({one_line(error)})") from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise InputError(f"weights do not fit adsam's base: {source} lacks {first_three(missing)}")
    return model
