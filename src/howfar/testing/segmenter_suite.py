"""The contract of a segmenter, as tests that any package can inherit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as functional
from safetensors.torch import save_file
from torch import Tensor

from howfar.errors import InputError
from howfar.segmenters.family import SegmenterFamily
from howfar.weights.state_dicts import hash_state_dict, read_state_dict

TOLERANCE = 1e-4


class SegmenterTests:
    """What holds of every segmenter; inherit it in a class whose name starts with ``Test``, and give `recipe`.

    Attributes
    ----------
    recipe
        What is registered.
    side
        Of the square test pictures: a small multiple of the segmenter's `multiple`.
    rectangles
        It takes pictures that are not square.
    length
        Values of all maps of `encode` for a test picture, where the subclass knows it.
    refusal
        What a picture raises whose sides break the rule.
    idle
        Beginnings of the names of parameters that have no part in any map: a library's classification head.

    Examples
    --------
    >>> from howfar.segmenters.deepcrack import DEEPCRACK
    >>> class TestSmallDeepCrack(SegmenterTests):
    ...     recipe = DEEPCRACK
    ...     def options(self):
    ...         return {"width": 4}
    >>> TestSmallDeepCrack().test_shape_and_dtype()
    """

    recipe: ClassVar[SegmenterFamily]
    side: ClassVar[int] = 64
    rectangles: ClassVar[bool] = True
    length: ClassVar[int | None] = None
    refusal: ClassVar[type[Exception]] = InputError
    idle: ClassVar[tuple[str, ...]] = ()

    def options(self) -> Mapping[str, Any]:
        """The architecture's options, where its own are too large for a test."""
        return {}

    def make(self, seed: int = 0) -> Any:
        """Build it with random weights, in evaluation mode."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.recipe.build(self.recipe.checked(self.options()), False).eval()

    def test_protocol(self) -> None:
        """It is a torch module with the recipe's name, and its `multiple` of whole pixels holds the recipe's."""
        made = self.make()
        assert isinstance(made, torch.nn.Module)
        assert made.name == self.recipe.name
        assert isinstance(made.multiple, int)
        assert made.multiple > 0
        assert made.multiple % self.recipe.multiple == 0, "the network takes sides that the recipe refuses"
        assert self.side % made.multiple == 0, "the suite's own side breaks the rule"
        assert self.recipe.training.size % self.recipe.multiple == 0, "the usual training size breaks the rule"

    def test_options(self) -> None:
        """Options have defaults, survive JSON, cannot be changed, and an unknown one is refused."""
        for options in (self.recipe.options(), self.recipe.checked(self.options())):
            assert self.recipe.options.model_validate_json(options.model_dump_json()) == options
            assert self.recipe.checked(options.model_dump(mode="json")) == options
            for name in self.recipe.options.model_fields:
                with pytest.raises(ValueError, match="frozen"):
                    setattr(options, name, getattr(options, name))
        with pytest.raises(InputError):
            self.recipe.checked({"no_such_option": 1})

    def test_shape_and_dtype(self) -> None:
        """`forward` gives finite float32 of (b, 1, h, w); so does each map of `logits`, whose last is that of `forward`."""
        made = self.make()
        sides = (self.side, 2 * self.side) if self.rectangles else (self.side,)
        for width in sides:
            pictures = _pictures(2, self.side, width)
            with torch.no_grad():
                found, every = made(pictures), made.logits(pictures)
            assert isinstance(every, tuple)
            for one in (found, *every):
                assert one.shape == (2, 1, self.side, width)
                assert one.dtype == torch.float32
                assert one.isfinite().all()
            assert torch.equal(every[-1], found), "the last of `logits` is not what `forward` gives"

    def test_maps(self) -> None:
        """`encode` gives finite float32 maps of (b, c, h', w') whose shapes depend on the pictures' sides alone."""
        made = self.make()
        with torch.no_grad():
            several, one = made.encode(_pictures(3, self.side, self.side)), made.encode(_pictures(1, self.side, self.side, 9))
            blank = made.encode(torch.zeros(1, 3, self.side, self.side))
        assert isinstance(several, tuple)
        assert several
        for map_ in several:
            assert map_.dtype == torch.float32
            assert map_.ndim == 4
            assert len(map_) == 3
            assert map_.isfinite().all()
        shapes = [map_.shape[1:] for map_ in several]
        assert [map_.shape[1:] for map_ in one] == shapes
        assert [map_.shape[1:] for map_ in blank] == shapes
        assert self.length is None or sum(shape.numel() for shape in shapes) == self.length

    def test_tells_pictures_apart(self) -> None:
        """Different pictures have different logits and different maps."""
        made = self.make()
        pictures = _pictures(3, self.side, self.side)
        with torch.no_grad():
            for map_ in (made(pictures), *made.encode(pictures)):
                assert len(torch.unique(map_.flatten(1), dim=0)) == 3

    def test_deterministic(self) -> None:
        """The same pictures give the same bits; they are left as they were, and so are weights and statistics."""
        made = self.make()
        pictures = _pictures(2, self.side, self.side)
        before, weights = pictures.clone(), hash_state_dict(made.state_dict())
        with torch.no_grad():
            first, second = _everything(made, pictures), _everything(made, pictures)
        assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
        assert torch.equal(pictures, before)
        assert hash_state_dict(made.state_dict()) == weights, "evaluation changes the network"

    def test_pictures_do_not_affect_each_other(self) -> None:
        """Three at once and one by one give the same in evaluation mode, within 1e-4 of the largest value."""
        made = self.make()
        pictures = _pictures(3, self.side, self.side)
        with torch.no_grad():
            together = _everything(made, pictures)
            singly = [torch.cat(parts) for parts in zip(*(_everything(made, one[None]) for one in pictures), strict=True)]
        _assert_close(together, singly)

    def test_sides_are_checked(self) -> None:
        """Sides that are no multiple of `multiple` are refused, never rounded."""
        made = self.make()
        if made.multiple == 1:
            return
        for height, width in ((self.side + 1, self.side), (self.side, self.side + made.multiple // 2), (1, 1)):
            for call in (made, made.logits):
                _assert_refused(self.refusal, call, torch.rand(1, 3, height, width))

    def test_layout_in_memory(self) -> None:
        """With channels last, which is faster, weights and pictures give the same within 1e-4 of the largest value."""
        made = self.make()
        pictures = _pictures(2, self.side, self.side)
        with torch.inference_mode():
            expected = _everything(made, pictures)
            options: dict[str, Any] = {"memory_format": torch.channels_last}
            found = _everything(made.to(**options), pictures.contiguous(**options))
        _assert_close(found, expected)

    def test_weights_travel(self) -> None:
        """Its weights go through safetensors into one built anew, which then gives the same bits."""
        made, other = self.make(seed=0), self.make(seed=1)
        pictures = _pictures(2, self.side, self.side)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.safetensors"
            save_file(made.state_dict(), path)
            other.load_state_dict(read_state_dict(path), strict=True)
        with torch.no_grad():
            pairs = zip(_everything(made, pictures), _everything(other, pictures), strict=True)
            assert all(torch.equal(one, two) for one, two in pairs)

    def test_gradients(self) -> None:
        """A loss of all maps reaches every parameter that is to be trained, but for the idle, and none that is frozen."""
        made = self.make().train()
        trained = {name for name, one in made.named_parameters() if one.requires_grad}
        pictures = _pictures(3, self.side, self.side)
        target = (pictures.mean(1, keepdim=True) > pictures.mean()).float()
        # In training some networks leave out a layer now and then, by chance: always by the same one here.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            losses = [functional.binary_cross_entropy_with_logits(one, target) for one in made.logits(pictures)]
        torch.autograd.backward(torch.stack(losses).sum())
        grads = {name: one.grad for name, one in made.named_parameters()}
        reached = {name for name, grad in grads.items() if grad is not None and bool(grad.abs().max() > 0)}
        assert trained, "nothing is to be trained"
        unreached = {name for name in trained - reached if not name.startswith(self.idle)}
        assert not unreached, f"no gradient reaches {sorted(unreached)}"
        assert not reached - trained, f"gradients reach the frozen {sorted(reached - trained)}"


def _pictures(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Noise upon blobs of its own for each picture, so that no two look alike to a network that averages."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    fine = torch.rand(count, 3, height, width, generator=generator)
    return 0.7 * functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False) + 0.3 * fine


def _everything(made: Any, pictures: Tensor) -> list[Tensor]:
    return [*made.logits(pictures), *made.encode(pictures)]


def _assert_close(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= TOLERANCE * other.abs().max(), "values differ by more than 1e-4 of the largest"


def _assert_refused(refusal: type[Exception], call: Callable[[Tensor], Any], pictures: Tensor) -> None:
    with torch.no_grad(), pytest.raises(refusal):
        call(pictures)
