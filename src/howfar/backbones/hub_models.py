"""Models in the hub's format, by transformers' own loading: every tensor is read, or the folder is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar.errors import InputError, MissingExtraError, MissingPathError
from howfar.weights.hub import CONFIG_FILE, WEIGHTS_FILES, lacking

# torch and transformers are imported when a network is built, so that listing the cards stays cheap.
if TYPE_CHECKING:
    from torch import nn

SEED: Final = 0
WANTED: Final = ((CONFIG_FILE,), WEIGHTS_FILES)
"""The files of a model in the hub's format, in groups of which one must be there."""
# What a configuration says of where and how it was written, of no effect on a feature.
_IDLE: Final = frozenset(
    {"_name_or_path", "architectures", "dtype", "id2label", "label2id", "torch_dtype", "transformers_version"}
)


def transformers_for(name: str) -> Any:
    """Import transformers, which the backbone `name` needs.

    Raises
    ------
    MissingExtraError
        transformers or torch is absent.
    """
    try:
        # transformers itself can be imported without torch, and then has no models.
        import_module("torch")
        import transformers
    except ImportError as error:
        raise MissingExtraError(f"{name} needs transformers: pip install 'howfar[hub]' ({error})") from error
    return transformers


def checked_folder(name: str, folder: Path, wanted: tuple[tuple[str, ...], ...], kinds: tuple[str, ...] = ()) -> Path:
    """Return `folder`, a model in the hub's format, once its files and its kind are seen to be right.

    Raises
    ------
    MissingPathError
        A file is absent.
    InputError
        It is another kind of model than `kinds`, where those are given.
    """
    absent = lacking(folder, wanted)
    if absent:
        raise MissingPathError(
            f"weights of {name} must be a folder with {' and '.join(_firsts(wanted))}: {folder} lacks {absent[0]}"
        )
    kind = read_json(folder / CONFIG_FILE).get("model_type")
    if kinds and kind not in kinds:
        raise InputError.of(f"weights of {name}", f"must be a model of type {' or '.join(kinds)}", kind, f"see {folder}")
    return folder


def read_json(file: Path) -> dict[str, Any]:
    """Read a mapping from a JSON file.

    Raises
    ------
    InputError
        It is none.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({one_line(error)})") from error
    if not isinstance(found, dict):
        raise InputError(f"{file} cannot be read: it must hold a mapping")
    return found


def read_model(name: str, source: object, read: Callable[..., Any], optional: str | None = None, **options: Any) -> nn.Module:
    """Call transformers' `from_pretrained`, float32, and see that no tensor was made up.

    Parameters
    ----------
    name
        Of the backbone, for the errors.
    source
        What `read` is given first, and the errors name: a folder, or a file whose tensors are among the options.
    read
        A class's ``from_pretrained``.
    optional
        Beginning of tensors' names that need not be there; the module of this name is taken out of the network then.
    **options
        Passed on.

    Raises
    ------
    InputError
        The files are damaged, or do not hold every tensor of the model.
    """
    import torch

    first = None if "state_dict" in options else source
    try:
        with _quiet():
            network, info = read(first, local_files_only=True, dtype=torch.float32, output_loading_info=True, **options)
    # Damaged text, shapes that do not fit, strict configurations: errors of several libraries' own kinds.
    except Exception as error:
        raise InputError(f"weights of {name} cannot be read: {source} ({one_line(error)})") from error
    missing = sorted(info["missing_keys"])
    if optional and missing and all(key.startswith(f"{optional}.") for key in missing):
        setattr(network, optional, None)
        missing = []
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(f"weights of {name} do not fit the network: {source} lacks {', '.join(missing[:3])}{more}")
    loaded: nn.Module = network
    return loaded


def random_model(make: Callable[[], Any]) -> nn.Module:
    """Build a network of random weights of one seed; torch's generator is left as it was.

    Threads that draw from it meanwhile would disturb the seed; networks are built in one.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network: nn.Module = make()
    return network


def model_word(network: Any) -> str:
    """Name a network's class and, by a hash, its configuration, for the identity: equal tensors may be used in two ways."""
    config = json.loads(network.config.to_json_string(use_diff=True))
    text = json.dumps(_bare(config), sort_keys=True)
    return f"{type(network).__name__} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def one_line(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _firsts(wanted: tuple[tuple[str, ...], ...]) -> list[str]:
    return [group[0] for group in wanted]


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if key not in _IDLE}
    return value


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress, and no report of the text's tensors that a picture has no use for."""
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
