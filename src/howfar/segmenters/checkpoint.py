"""Save and load a trained segmenter in one safetensors file: weights, architecture and training data."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from howfar.errors import InputError, MissingPathError, StoreError, option
from howfar.io.atomic_writes import replace
from howfar.results import Provenance
from howfar.results.display_and_shared_records import plain
from howfar.segmenters import restore_segmenter
from howfar.weights.state_dicts import fit_state_dict, hash_state_dict

FORMAT = 1
KEY = "howfar"


@dataclass(frozen=True)
class CheckpointCard:
    """Describe a checkpoint: its architecture, training settings and training data.

    Attributes
    ----------
    segmenter, options
        The architecture's registered name, and its options.
    size
        Side of the square, in pixels, that it was trained at.
    weights
        Hash of the weights.
    data
        The training data: `primary`, its name; `images`, how many; `fingerprint`, a hash of all images and masks; `contents`,
        the hashes of the images learnt from; `extra`, the names of added ones, as ``dataset/image``, whose hashes come last in
        `contents`; `held_out`, the hashes of the images kept out of training; `sides`, the median and the largest √(width ·
        height) in pixels; `group`, the expression that named photographs; `started_from`, the checkpoint that training began
        with; `contents_before`, what that learnt from.
    history
        One entry an epoch: epoch, loss, and where images were held out ods and threshold.
    threshold
        The threshold with the highest ODS on the held-out images at the training size; None where there were none.
    architecture
        Values from which the network is built where its options name files or a hub; empty in files of earlier versions.
    """

    segmenter: str
    options: Mapping[str, Any]
    size: int
    weights: str
    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
    threshold: float | None
    provenance: Provenance = field(default_factory=Provenance.now)
    architecture: Mapping[str, Any] = field(default_factory=dict)

    @property
    def learnt(self) -> frozenset[str]:
        """Return the content hashes of all training images, including those of earlier trainings the weights started from."""
        return frozenset(self.data["contents"]) | frozenset(self.data.get("contents_before", ()))

    @property
    def all_learnt_known(self) -> bool:
        """Return whether `learnt` is complete; files of earlier versions lack the images of preceding trainings."""
        return bool(self.data.get("all_contents_known", self.data.get("started_from") is None))

    def to_dict(self) -> dict[str, Any]:
        """Convert the card to JSON values."""
        document: dict[str, Any] = plain(asdict(self))
        return {"format": FORMAT, **document}


@dataclass(frozen=True, eq=False, repr=False)
class Checkpoint:
    """Hold a trained segmenter: its card, and its weights by name in `state`."""

    card: CheckpointCard
    state: Mapping[str, Tensor]

    def build(self) -> Any:
        """Build the network with the checkpoint's weights in evaluation mode, without other files.

        Raises `HowfarError` where the architecture or a library is absent, or an earlier version's base model is gone.
        """
        card = self.card
        network: nn.Module = restore_segmenter(card.segmenter, card.options, card.architecture)
        fit_state_dict(network, self.state, (), "the checkpoint")
        return network.eval()

    def save(self, file: str | Path) -> Path:
        """Write one ``.safetensors`` file atomically, and return its path."""
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {KEY: json.dumps(self.card.to_dict(), ensure_ascii=False, allow_nan=False)}
        data = save({name: value.contiguous() for name, value in self.state.items()}, metadata)
        replace(path, lambda temporary: temporary.write_bytes(data))
        return path

    @classmethod
    def load(cls, file: str | Path) -> Checkpoint:
        """Load a checkpoint without executing code from the file.

        Raises `MissingPathError` without the file, `InputError` if howfar did not write it, `StoreError` if it is damaged.
        """
        path = Path(file)
        if not path.is_file():
            raise MissingPathError(f"no checkpoint at {path}: pass a file that howfar train wrote")
        try:
            with safe_open(path, framework="pt") as opened:
                document = (opened.metadata() or {}).get(KEY)
                state = {name: opened.get_tensor(name) for name in opened.keys()} if document else {}  # noqa: SIM118 - no mapping
        except (SafetensorError, OSError, ValueError) as error:
            rule = "must be a .safetensors file that howfar train wrote"
            remedy = f"export another network as ONNX (torch.onnx.export), pass its maps ({option('predictions')})"
            remedy += ", or in Python pass the network itself to howfar.predict"
            raise InputError.of("checkpoint", rule, str(path), remedy) from error
        if not document:
            raise InputError.of("checkpoint", "must hold what howfar train wrote beside the weights", str(path))
        card = _card(document, path)
        if hash_state_dict(state) != card.weights:
            raise StoreError(f"{path} is damaged: its weights are not those that it names")
        return cls(card, state)

    def __repr__(self) -> str:
        card, data = self.card, self.card.data
        added = len(data.get("extra") or ())
        more = f" and {added} added" if added else ""
        images = f"{data['images'] - added} images of {data['primary']}{more}"
        return f"Checkpoint of {card.segmenter}, {card.size} px, trained on {images}"


def _check_kind(kind: Any, *values: Any) -> None:
    if any(isinstance(value, bool) or not isinstance(value, kind) for value in values):
        raise TypeError(kind)


def _card(text: str, path: Path) -> CheckpointCard:
    try:
        document = json.loads(text)
        if document.pop("format") != FORMAT:
            raise StoreError(f"{path} has another format than this howfar reads ({FORMAT}): train again")
        history, provenance = tuple(document.pop("history")), Provenance(**document.pop("provenance"))
        card = CheckpointCard(**document, history=history, provenance=provenance)
        # Every field, and every used entry of the data, has its type.
        _check_kind(str, card.segmenter, card.weights)
        _check_kind(dict, card.options, card.settings, card.data, card.architecture, *card.history)
        _check_kind((float, int, NoneType), card.threshold)
        data = card.data
        _check_kind(int, card.size, data["images"])
        hashes = [data["contents"], data.get("contents_before", []), data.get("held_out", []), data.get("extra", [])]
        _check_kind(list, *hashes)
        _check_kind(str, data["primary"], *itertools.chain(*hashes))
        _check_kind((str, NoneType), data.get("group"))
        sides = data.get("sides") or {}
        _check_kind(dict, sides)
        _check_kind((int, float), *sides.values())
        if card.size < 1:
            raise TypeError("size")
        return card
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: its description cannot be read ({type(error).__name__})") from error
