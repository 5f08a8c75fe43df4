"""Predict a corrupted set, as it is and mirrored, by a model or by the user's own command."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from howfar.data import Dataset, content_hash, read_bytes
from howfar.errors import InputError
from howfar.io.atomic import replace_text
from howfar.pipeline.prediction import Model, predict
from howfar.studies.corruption.corrupted_images import IMAGES, mirrored
from howfar.studies.corruption.user_command import PredictCommand

PREDICTIONS, FLIPPED = "predictions", "predictions-flipped"


@dataclass(frozen=True)
class ByModel:
    """Predict by a loaded model; maps that it made before are kept."""

    model: Model

    def predict(self, dataset: Dataset, folder: Path) -> None:
        """Write the maps of a set's images, and of the mirrored images, into folders of the set."""
        for where, flipped in ((PREDICTIONS, False), (FLIPPED, True)):
            predict(self.model, dataset, folder / where, flipped=flipped, progress=False)

    def refused(self, folder: Path) -> None:
        """Do nothing: what a model wrote is kept by the model's own signature."""


@dataclass(frozen=True)
class ByCommand:
    """Predict by the user's command, once for a folder of images; a folder that it finished before is kept."""

    command: PredictCommand

    def predict(self, dataset: Dataset, folder: Path) -> None:
        """Have the maps of a set's images, and of the mirrored images, written into folders of the set.

        Raises `InputError` where the command fails, or maps are there that it did not make.
        """
        contents = sorted(content_hash(read_bytes(item.path)) for item in dataset.items)
        wanted = {"command": self.command.text, "images": contents}
        self._ensure(dataset, folder / PREDICTIONS, wanted, folder / IMAGES)
        self._ensure(dataset, folder / FLIPPED, wanted, None)

    def _ensure(self, dataset: Dataset, out: Path, wanted: dict[str, Any], images: Path | None) -> None:
        record = out.with_name(f"{out.name}.json")
        before = _read(record)
        if before == {**wanted, "done": True} and out.is_dir() and any(out.iterdir()):
            return
        if out.is_dir() and any(out.iterdir()):
            if before is None:
                rule = "must hold no predictions that another model made"
                raise InputError.of("out", rule, str(out), "choose another folder, or remove it")
            rmtree(out)
        out.mkdir(parents=True, exist_ok=True)
        replace_text(record, json.dumps({**wanted, "done": False}))
        if images is not None:
            self.command.run(images, out)
        else:
            with tempfile.TemporaryDirectory() as scratch:
                for _ in mirrored(dataset, Path(scratch)):
                    pass
                self.command.run(Path(scratch), out)
        if not any(out.iterdir()):
            raise InputError(f"the command wrote no map into {out}: it must write one for each image into {{out}}")
        replace_text(record, json.dumps({**wanted, "done": True}))

    def refused(self, folder: Path) -> None:
        """Have the maps of a set made anew by the next run, since they cannot be scored: the command may be mended by then."""
        for name in (PREDICTIONS, FLIPPED):
            record = folder / f"{name}.json"
            before = _read(record)
            if isinstance(before, dict):
                replace_text(record, json.dumps({**before, "done": False}))


@dataclass(frozen=True)
class ByHand:
    """Take the maps that the user put into the folders of a set, where there are any."""

    def predict(self, dataset: Dataset, folder: Path) -> None:
        """Do nothing: who predicts is the user."""

    def refused(self, folder: Path) -> None:
        """Do nothing: the user's maps are the user's to mend."""


Predictor = ByModel | ByCommand | ByHand


def maps_of(dataset: Dataset, folder: Path) -> tuple[Path, Path | None] | None:
    """Return the folders of a set's maps and of the mirrored images' maps; None where there are no maps."""
    maps, flipped = folder / PREDICTIONS, folder / FLIPPED
    if not maps.is_dir() or not any(maps.iterdir()):
        return None
    return maps, flipped if flipped.is_dir() and any(flipped.iterdir()) else None


def _read(record: Path) -> Any:
    """Read what was written of an earlier run of a command; None where there is nothing that can be read."""
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
