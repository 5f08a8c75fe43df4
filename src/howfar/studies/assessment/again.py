"""Record what an assessment was asked of which model, so that it can be asked again, and a changed model is noticed."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from howfar.errors import HowfarError
from howfar.io.location import absolute, as_location
from howfar.relation.label_free_columns import EVERY_SIGNAL, HISTOGRAM
from howfar.results import Evaluation
from howfar.results.assessment import Assessment
from howfar.results.json_values import plain
from howfar.studies.assessment.next_step import TILE_FLAG, Commands
from howfar.studies.assessment.parts import Parts, Preparation

STORE = "--store"


def command_again(commands: Commands, prepared: Preparation) -> str:
    """Write the command line that asks an assessment again in its own folder, with absolute paths."""
    maps: tuple[str, ...]
    if prepared.model is None:
        maps = ("--predictions", str(absolute(commands.maps)))
    else:
        file = Path(commands.model)
        maps = ("--model", str(absolute(file)) if file.is_file() else commands.model, *commands.read)
    tiled = (TILE_FLAG,) if prepared.given["tiled"] else ()
    chosen = [*commands.chosen]
    if STORE in chosen:
        place = chosen.index(STORE) + 1
        chosen[place] = str(as_location(chosen[place]))
    words = (commands.primary, *commands.sites.values(), *maps, *tiled, *chosen, "--out", str(absolute(commands.run)))
    return shlex.join(("howfar", "assess", *words))


def model_identity(prepared: Preparation, parts: Parts) -> dict[str, Any]:
    """Describe what the maps depend on: the hash of the weights and how images are fed; of maps that are there their hashes."""
    if prepared.model is not None:
        card = prepared.model.card
        return dict(plain({**prepared.model.identity, **({} if card is None else {"segmenter": card.segmenter})}))
    return {f"maps of {evaluation.dataset}": _digest(evaluation) for evaluation in (parts.own, *parts.evaluations)}


def _digest(evaluation: Evaluation) -> str:
    """Hash the images' names and the signals of their predictions, which another model's predictions do not share."""
    rows, digest = evaluation.images.sort_values("image"), hashlib.sha256()
    for name in ("image", HISTOGRAM, *EVERY_SIGNAL):
        for value in rows.get(name, ()):
            digest.update(f"{np.asarray(value).tolist()}\0".encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def changes(folder: Path, identity: Mapping[str, Any]) -> Iterator[str]:
    """Say in a line that the answers which a folder held until now are of another model, or of one that was fed otherwise."""
    try:
        earlier = Assessment.load(folder).identity
    except HowfarError:
        return  # there is none, or it is damaged
    shared = [name for name in earlier if name in identity]
    names = [name for name in shared if earlier[name] != identity[name]] if shared else [*earlier, *identity]
    if earlier and names:
        told = "; ".join(f"{name}: {_short(earlier.get(name))} then, {_short(identity.get(name))} now" for name in names)
        yield f"The model has changed since the answers that these replace in the run folder ({told})."


def _short(value: Any) -> str:
    return "none" if value is None else str(value)[:12]
