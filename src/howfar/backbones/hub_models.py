"""Load models in the Hugging Face hub's format by transformers, and refuse folders that lack a tensor."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar.backbones.family import Options, Origin
from howfar.errors import InputError, MissingPathError, one_line
from howfar.weights.hub import CONFIG_FILE, WEIGHTS_FILES, first_three, lacking

# torch and transformers are imported when a network is built, so that listing the cards stays cheap.
if TYPE_CHECKING:
    from torch import nn

SEED: Final = 0
REQUIRED_FILES: Final = ((CONFIG_FILE,), WEIGHTS_FILES)
"""The files of a model in the hub's format, in groups of which one must be there."""
TRANSFORMERS_PACKAGES: Final = ("torch", "transformers", "safetensors")
"""What decides on the names, shapes and bytes of a model's tensors, and on its configuration."""
_READ: Final = frozenset({".json", ".safetensors", ".bin"})
# Keys of a configuration that tell where and how it was written, and do not change a feature.
_NO_EFFECT: Final = frozenset(
    {"_name_or_path", "architectures", "dtype", "id2label", "label2id", "torch_dtype", "transformers_version"}
)


def checked_folder(name: str, folder: Path, required: tuple[tuple[str, ...], ...], kinds: tuple[str, ...] = ()) -> Path:
    """Check that a folder holds a model in the hub's format, of one of `kinds` where those are given, and return it.

    An absent file raises `MissingPathError`, another kind of model `InputError`.
    """
    absent = lacking(folder, required)
    if absent:
        files = " and ".join(group[0] for group in required)
        raise MissingPathError(f"weights of {name} must be a folder with {files}: {folder} lacks {absent[0]}")
    kind = read_json(folder / CONFIG_FILE).get("model_type")
    if kinds and kind not in kinds:
        raise InputError.of(f"weights of {name}", f"must be a model of type {' or '.join(kinds)}", kind, f"see {folder}")
    return folder


def folder_origin(options: Options) -> Origin | None:
    """Name the files of a local model, a folder in the hub's format or a state dict; None of what comes from the hub."""
    model = None if options.model is None else Path(options.model).expanduser()
    folder = next((path for path in (options.weights, model) if path is not None and path.is_dir()), None)
    state = options.weights if options.weights is not None and options.weights.is_file() else None
    # A state dict needs a configuration: that of a model's name lies in the hub's cache, and may change there.
    if (folder is None and (state is None or model is not None)) or not options.pretrained:
        return None
    if folder is not None and _has_shards_elsewhere(folder):
        return None
    beside = sorted(file for file in folder.iterdir() if file.suffix in _READ and file.is_file()) if folder is not None else []
    return Origin(tuple(beside) if state is None else (state, *beside), TRANSFORMERS_PACKAGES)


def _has_shards_elsewhere(folder: Path) -> bool:
    """Tell whether an index in a model's folder names weights that do not lie beside it, or cannot be read."""
    try:
        named = [read_json(file).get("weight_map") for file in folder.glob("*.index.json")]
        shards = {str(shard) for weights in named if weights is not None for shard in weights.values()}
    except (InputError, AttributeError):
        return True
    return any(Path(shard).name != shard for shard in shards)


def read_json(file: Path) -> dict[str, Any]:
    """Read a mapping from a JSON file; anything else raises `InputError`."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read ({one_line(error)})") from error
    if not isinstance(document, dict):
        raise InputError(f"{file} cannot be read: it must hold a mapping")
    return document


def read_model(name: str, source: object, read: Callable[..., Any], optional: str | None = None, **options: Any) -> nn.Module:
    """Read a float32 model by transformers' `from_pretrained`, and refuse it if transformers invented a tensor.

    `source` is a folder, or for the errors alone the file that ``options["state_dict"]`` was read from; `read` is a class's
    ``from_pretrained``, which receives the other options. The tensors of the module `optional` may be absent; it is then
    removed from the network. Damaged files and absent tensors raise `InputError`.
    """
    import torch

    first = None if "state_dict" in options else source
    try:
        with _quiet():
            reading = {"local_files_only": True, "dtype": torch.float32, "output_loading_info": True}
            # What does not fit is told below, in one line, where transformers would print a table.
            network, info = read(first, **reading, ignore_mismatched_sizes=True, **options)
    # Damaged text, shapes that do not fit, strict configurations: errors of several libraries' own kinds.
    except Exception as error:
        raise InputError(f"weights of {name} cannot be read: {source} ({one_line(error)})") from error
    if wrong := sorted(info["mismatched_keys"]):
        key, held, wanted = wrong[0]
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        line = f"{key} is {tuple(held)} there and {tuple(wanted)} by the configuration{more}"
        raise InputError(f"weights of {name} do not fit the network: {source}: {line}: both must be of one model")
    missing = sorted(info["missing_keys"])
    if optional and missing and all(key.startswith(f"{optional}.") for key in missing):
        setattr(network, optional, None)
        missing = []
    if missing:
        raise InputError(f"weights of {name} do not fit the network: {source} lacks {first_three(missing)}")
    loaded: nn.Module = network
    return loaded


def random_model(make: Callable[[], Any]) -> nn.Module:
    """Build a network with random weights of one seed, leaving torch's generator as it was.

    Other threads must not draw from the generator meanwhile, as that would change the weights; networks are built in one.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network: nn.Module = make()
    return network


def describe_architecture(network: Any) -> str:
    """Name a network's class and a hash of its configuration, for the identity: the same tensors may be used in two ways."""
    config = json.loads(network.config.to_json_string(use_diff=True))
    text = json.dumps(_effective(config), sort_keys=True)
    return f"{type(network).__name__} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _effective(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _effective(item) for key, item in value.items() if key not in _NO_EFFECT}
    return value


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' progress bar, and its report of text tensors that an image encoder does not use."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
