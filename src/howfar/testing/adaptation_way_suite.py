"""Define `AdaptationWayTests`, a pytest class that a plug-in inherits to test its method of adapting a segmenter."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
import torch

from howfar.adaptation_ways import AdaptationWay, Given
from howfar.data import Dataset, content_hash, read_bytes
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.segmenters.checkpoint import Checkpoint
from howfar.training.image_mask_pairs import TrainingExample, examples_of
from howfar.training.train import train
from howfar.weights.state_dicts import hash_state_dict

_SIDE, _PICKS = 32, 3


@dataclass(frozen=True)
class _Ground:
    """Hold a small trained model, its primary dataset, a site, and labelled images of it."""

    checkpoint: Checkpoint
    primary: tuple[TrainingExample, ...]
    site: Dataset
    picks: tuple[TrainingExample, ...]


class AdaptationWayTests:
    """Test that a way of adapting keeps the contract of `howfar.adaptation_ways.AdaptationWay`.

    Subclass it in a test file under a name that pytest collects, and set `way`. Every test is then inherited. The model is a
    narrow DeepCrack, trained for an epoch on eight drawn roads; the site are six roads of another kind.

    Examples
    --------
    >>> from howfar.adaptation_ways import NORM
    >>> class TestNorm(AdaptationWayTests):
    ...     way = NORM
    """

    way: ClassVar[AdaptationWay]

    @pytest.fixture(scope="class")
    @classmethod
    def ground(cls) -> Iterator[_Ground]:
        """Train the model, and draw the site."""
        with TemporaryDirectory() as folder:
            primary = Dataset.from_folder(write_dataset(Path(folder) / "roads", 8, seed=0, size=64))
            site = Dataset.from_folder(write_dataset(Path(folder) / "site", 6, seed=5, size=64))
            checkpoint = train(
                primary, "deepcrack", state=Path(folder) / "state", options={"width": 4}, size=_SIDE, batch=4, epochs=1,
                holdout=0.25, seed=3, pretrained=False, device="cpu", progress=False,
            )  # fmt: skip
            yield _Ground(checkpoint, examples_of(primary), site, examples_of(site)[:_PICKS])

    def given(self, ground: _Ground, folder: Path, *, picks: bool = True, site: bool = True) -> Given:
        """Give the way what it may learn from; the masks of the unlabelled site cannot be read."""
        hidden = tuple(replace(item, mask=folder / "no way may read this.png") for item in ground.site.items)
        unlabelled = replace(ground.site, items=hidden) if site else None
        return Given(ground.primary, unlabelled, ground.picks if picks else (), folder, device="cpu", progress=False)

    def test_description(self) -> None:
        """Check that the name can be one of several, and the summary is a line."""
        assert self.way.name
        assert "+" not in self.way.name
        assert self.way.name.strip() == self.way.name
        assert self.way.summary.endswith(".")
        assert "\n" not in self.way.summary
        assert self.way.needs in ("labels", "images", "either")

    def test_needs_are_said(self, ground: _Ground, tmp_path: Path) -> None:
        """Check that what is absent is named in one line, before anything is read."""
        if self.way.needs == "labels":
            with pytest.raises(InputError, match="way must be one that needs no label"):
                self.way.check(self.given(ground, tmp_path, picks=False))
        else:
            with pytest.raises(InputError, match="way needs images of the site"):
                self.way.check(self.given(ground, tmp_path, picks=False, site=False))

    def test_adapts(self, ground: _Ground, tmp_path: Path) -> None:
        """Check that weights change but the given checkpoint's do not, maps are finite, and the card names what was learnt.

        Images that the model held out stay held out.
        """
        model = ground.checkpoint
        before = hash_state_dict(model.state)
        found = self.way.adapt(model, self.given(ground, tmp_path / "a"))
        assert hash_state_dict(model.state) == before
        assert found.card.weights == hash_state_dict(found.state)
        assert found.card.weights != before
        assert found.state.keys() == model.state.keys()
        assert (found.card.segmenter, found.card.size) == (model.card.segmenter, model.card.size)
        with torch.no_grad():
            values = found.build()(torch.rand(2, 3, _SIDE, _SIDE, generator=torch.Generator().manual_seed(0)))
        assert values.shape == (2, 1, _SIDE, _SIDE)
        assert bool(values.isfinite().all())
        assert not set(model.card.data["held_out"]) & found.card.learnt
        assert found.card.data["held_out"] == model.card.data["held_out"]
        assert model.card.learnt <= found.card.learnt
        if self.way.needs == "labels":
            assert {content_hash(read_bytes(pick.path)) for pick in ground.picks} <= found.card.learnt

    def test_deterministic(self, ground: _Ground, tmp_path: Path) -> None:
        """Check that the same is learnt from the same, whatever torch's generator drew before, without labels if possible."""
        picks = self.way.needs == "labels"
        first = self.way.adapt(ground.checkpoint, self.given(ground, tmp_path / "a", picks=picks))
        torch.manual_seed(7)
        again = self.way.adapt(ground.checkpoint, self.given(ground, tmp_path / "b", picks=picks))
        assert first.card.weights == again.card.weights
