"""Load models of the transformers library from folders in the Hugging Face hub's format, and report damaged files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar.errors import InputError, MissingPathError, one_line
from howfar.weights import hub_downloads

if TYPE_CHECKING:
    from torch import nn

SEED: Final = 0
REQUIRED_FILES: Final = ((hub_downloads.CONFIG_FILE,), hub_downloads.WEIGHTS_FILES)
"""The files of a model in the hub's format, in groups of which one must be there."""
# Keys of a configuration that tell where and how it was written, and do not change a feature.
_NO_EFFECT: Final = frozenset(
    {"_name_or_path", "architectures", "dtype", "id2label", "label2id", "torch_dtype", "transformers_version"}
)


def checked_folder(name: str, folder: Path, required: tuple[tuple[str, ...], ...], kinds: tuple[str, ...] = ()) -> Path:
    """Return a folder after checking that it holds a model in the hub's format, of one of `kinds` if given."""
    absent = hub_downloads.lacking(folder, required)
    if absent:
        files = " and ".join(group[0] for group in required)
        raise MissingPathError(f"weights of {name} must be a folder with {files}: {folder} lacks {absent[0]}")
    kind = read_json(folder / hub_downloads.CONFIG_FILE).get("model_type")
    if kinds and kind not in kinds:
        raise InputError.of(f"weights of {name}", f"must be a model of type {' or '.join(kinds)}", kind, f"see {folder}")
    return folder


@contextmanager
def errors_as(line: str) -> Iterator[None]:
    """Raise whatever a library has against damaged text, shapes that do not fit or strict configurations as `InputError`."""
    try:
        yield
    except Exception as error:
        raise InputError(f"{line} ({one_line(error)})") from error


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
    """Load a float32 model by transformers' `from_pretrained`; damaged files and missing tensors raise `InputError`.

    `source` is a folder, or for errors alone the file that ``options["state_dict"]`` was read from; `read` is a class's
    ``from_pretrained``. The module `optional` is removed from the network where the file lacks its tensors.
    """
    import torch

    first = None if "state_dict" in options else source
    with errors_as(f"weights of {name} cannot be read: {source}"), _quiet():
        reading = {"local_files_only": True, "dtype": torch.float32, "output_loading_info": True}
        # What does not fit is told below, in one line, where transformers would print a table.
        network, info = read(first, **reading, ignore_mismatched_sizes=True, **options)
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
        raise InputError(f"weights of {name} do not fit the network: {source} lacks {hub_downloads.first_three(missing)}")
    loaded: nn.Module = network
    return loaded


def load_model(
    name: str,
    architecture: Any,
    weights: Path | None,
    pretrained: bool,
    config: Callable[[], Any],
    folder: Callable[[], Path],
    optional: str | None = None,
) -> nn.Module:
    """Load a model of a transformers class with the weights in `folder`, those of a state dict, or seeded random ones."""
    if weights is None and not pretrained:
        return random_model(lambda: architecture(config()))
    if weights is None or not weights.is_file():
        return read_model(name, folder(), architecture.from_pretrained, optional)
    from howfar.weights.state_dicts import read_state_dict

    state = read_state_dict(weights)
    return read_model(name, weights, architecture.from_pretrained, optional, config=config(), state_dict=state)


def model_of(name: str, kind: str, config: object, source: str) -> Any:
    """Build transformers' model class `kind` with random weights from its configuration in `source`, for the network `name`."""
    library = hub_downloads.transformers_for(name)
    made: Any = getattr(library, kind, None)
    known = isinstance(made, type) and issubclass(made, library.PreTrainedModel)
    if not known or not isinstance(config, Mapping):
        raise InputError(f"{source} does not hold the configuration of a model for {name}: train again")
    with errors_as(f"the configuration of {kind} in {source} cannot be read"):
        return made(made.config_class.from_dict(dict(config)))


def random_model(make: Callable[[], Any]) -> nn.Module:
    """Build a network with seeded random weights, without changing the state of torch's generator."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network: nn.Module = make()
    return network


def describe_architecture(network: Any) -> str:
    """Return a network's class and a hash of its configuration for the identity, since tensors alone are ambiguous."""
    config = json.loads(network.config.to_json_string(use_diff=True))
    text = json.dumps(_effective(config), sort_keys=True)
    return f"{type(network).__name__} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _effective(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _effective(item) for key, item in value.items() if key not in _NO_EFFECT}
    return value


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' progress bar and its report on unused text tensors."""
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
