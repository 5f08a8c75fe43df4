"""A site's images that the model learnt from are not scored, and an adapted model is said to be one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from howfar.data import Dataset, content_hash
from howfar.demo import write_dataset
from howfar.studies.assessment.preparation import Preparation


def prepared(tmp_path: Path, card: Any) -> Preparation:
    model: Any = None if card is None else SimpleNamespace(card=card)
    return Preparation(tmp_path / "run", model, None, {})


def test_masks_of_learnt_images_are_hidden_and_told(tmp_path: Path) -> None:
    site = Dataset.from_folder(write_dataset(tmp_path / "site", 4, seed=0, size=32))
    learnt = frozenset({content_hash(Path(site.items[1].path).read_bytes())})
    data = {"group": None, "adapted": {"dataset": "site"}}
    card = SimpleNamespace(data=data, learnt=learnt, all_learnt_known=True)
    (fair,), notes = prepared(tmp_path, card)._fair([site])
    assert [item.mask is None for item in fair.items] == [False, True, False, False]
    assert notes[0].startswith("the maps are of a model adapted to site: its confidence no longer tells its performance")
    assert notes[1] == "1 images of site were not scored: the model learnt from them."


def test_without_a_card_nothing_changes(tmp_path: Path) -> None:
    site = Dataset.from_folder(write_dataset(tmp_path / "site", 2, seed=0, size=32))
    assert prepared(tmp_path, None)._fair([site]) == ([site], ())
