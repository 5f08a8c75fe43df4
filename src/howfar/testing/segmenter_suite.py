"""Define `SegmenterTests`, a pytest class that a plug-in inherits to test its segmentation network."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as functional
from safetensors.torch import save_file
from torch import Tensor

from howfar.errors import InputError
from howfar.segmenters import SegmenterFamily
from howfar.weights.state_dicts import hash_state_dict, read_state_dict

TOLERANCE = 1e-4


class SegmenterTests:
    """Check what every segmenter must keep; inherit it in a class whose name starts with ``Test``, and set `family`.

    `family` is the registered family; `side` that of the square test images, a small multiple of the segmenter's
    `multiple`; `rectangles` says whether it takes images that are not square. `length` is the number of values in all maps
    of `encode` for a test image, where the subclass knows it; `refusal` the class of the error for sides that break the
    rule. Parameters whose names begin with one of `idle`, as a library's classification head, need not affect any map.

    Examples
    --------
    >>> from howfar.segmenters import DEEPCRACK
    >>> class TestSmallDeepCrack(SegmenterTests):
    ...     family = DEEPCRACK
    ...     def options(self):
    ...         return {"width": 4}
    >>> TestSmallDeepCrack().test_shape_and_dtype()
    """

    family: ClassVar[SegmenterFamily]
    side: ClassVar[int] = 64
    rectangles: ClassVar[bool] = True
    length: ClassVar[int | None] = None
    refusal: ClassVar[type[Exception]] = InputError
    idle: ClassVar[tuple[str, ...]] = ()

    def options(self) -> Mapping[str, Any]:
        """Give the architecture's options, where its defaults are too large for a test."""
        return {}

    def make(self, seed: int = 0) -> Any:
        """Build the network with random weights, in evaluation mode."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.family.build(self.family.checked(self.options()), False).eval()

    def test_protocol(self) -> None:
        """Check that a segmenter is a torch module with the family's name, and its `multiple` is a multiple of the family's."""
        network = self.make()
        assert isinstance(network, torch.nn.Module)
        assert network.name == self.family.name
        assert isinstance(network.multiple, int)
        assert network.multiple > 0
        assert network.multiple % self.family.multiple == 0, "the network takes sides that the family refuses"
        assert self.side % network.multiple == 0, "the suite's own side breaks the rule"
        assert self.family.training.size % self.family.multiple == 0, "the usual training size breaks the rule"

    def test_options(self) -> None:
        """Check that options have defaults, survive JSON, cannot be changed, and an unknown one is refused."""
        for options in (self.family.options(), self.family.checked(self.options())):
            assert self.family.options.model_validate_json(options.model_dump_json()) == options
            assert self.family.checked(options.model_dump(mode="json")) == options
            for name in self.family.options.model_fields:
                with pytest.raises(ValueError, match="frozen"):
                    setattr(options, name, getattr(options, name))
        with pytest.raises(InputError):
            self.family.checked({"no_such_option": 1})

    def test_shape_and_dtype(self) -> None:
        """Check that `forward` and all `logits` give finite float32 of (b, 1, h, w), and the last map is that of `forward`."""
        network = self.make()
        sides = (self.side, 2 * self.side) if self.rectangles else (self.side,)
        for width in sides:
            pictures = _pictures(2, self.side, width)
            with torch.no_grad():
                last, logits = network(pictures), network.logits(pictures)
            assert isinstance(logits, tuple)
            for map_ in (last, *logits):
                assert map_.shape == (2, 1, self.side, width)
                assert map_.dtype == torch.float32
                assert map_.isfinite().all()
            assert torch.equal(logits[-1], last), "the last of `logits` is not what `forward` gives"

    def test_maps(self) -> None:
        """Check that `encode` gives finite float32 maps (b, c, h', w') whose shapes depend on the images' sides alone.

        Different images have different maps and logits.
        """
        network, side = self.make(), self.side
        pictures = _pictures(3, side, side)
        with torch.no_grad():
            three, logits = network.encode(pictures), network(pictures)
            others = [network.encode(x) for x in (_pictures(1, side, side, 9), torch.zeros(1, 3, side, side))]
        assert isinstance(three, tuple)
        assert three
        for map_ in three:
            assert (map_.dtype, map_.ndim, len(map_)) == (torch.float32, 4, 3)
            assert map_.isfinite().all()
        shapes = [map_.shape[1:] for map_ in three]
        assert all([map_.shape[1:] for map_ in other] == shapes for other in others)
        assert self.length is None or sum(shape.numel() for shape in shapes) == self.length
        assert all(len(torch.unique(map_.flatten(1), dim=0)) == 3 for map_ in (logits, *three)), "images are not told apart"

    def test_deterministic(self) -> None:
        """Check that the same images give the same bits, neither images nor network change, and images stand alone.

        Three images at once and one by one give the same in evaluation mode, within 1e-4 of the largest value.
        """
        network = self.make()
        pictures = _pictures(3, self.side, self.side)
        before, weights = pictures.clone(), hash_state_dict(network.state_dict())
        with torch.no_grad():
            first, second = _all_maps(network, pictures), _all_maps(network, pictures)
            singly = map(torch.cat, zip(*(_all_maps(network, picture[None]) for picture in pictures), strict=True))
            _assert_close(first, list(singly))
        assert all(map(torch.equal, first, second))
        assert torch.equal(pictures, before)
        assert hash_state_dict(network.state_dict()) == weights, "evaluation changes the network"

    def test_sides_are_checked(self) -> None:
        """Check that sides that are no multiple of `multiple` are refused, never rounded."""
        network = self.make()
        if network.multiple == 1:
            return
        for height, width in ((self.side + 1, self.side), (self.side, self.side + network.multiple // 2), (1, 1)):
            for call in (network, network.logits):
                with torch.no_grad(), pytest.raises(self.refusal):
                    call(torch.rand(1, 3, height, width))

    def test_layout_in_memory(self) -> None:
        """Check that channels last, the faster memory layout, gives the same within 1e-4 of the largest value."""
        network = self.make()
        pictures = _pictures(2, self.side, self.side)
        with torch.inference_mode():
            expected = _all_maps(network, pictures)
            options: dict[str, Any] = {"memory_format": torch.channels_last}
            maps = _all_maps(network.to(**options), pictures.contiguous(**options))
        _assert_close(maps, expected)

    def test_weights_travel(self) -> None:
        """Check that weights saved by safetensors and loaded into a new network give the same bits."""
        network, other = self.make(seed=0), self.make(seed=1)
        pictures = _pictures(2, self.side, self.side)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.safetensors"
            save_file(network.state_dict(), path)
            other.load_state_dict(read_state_dict(path), strict=True)
        with torch.no_grad():
            assert all(map(torch.equal, _all_maps(network, pictures), _all_maps(other, pictures)))

    def test_gradients(self) -> None:
        """Check that a loss on all maps reaches every trainable parameter except the idle ones, and no frozen one."""
        network = self.make().train()
        parameters = dict(network.named_parameters())
        trained = {name for name, parameter in parameters.items() if parameter.requires_grad}
        pictures = _pictures(3, self.side, self.side)
        target = (pictures.mean(1, keepdim=True) > pictures.mean()).float()
        # Some networks drop layers at random in training; the seed fixes which.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            losses = [functional.binary_cross_entropy_with_logits(logits, target) for logits in network.logits(pictures)]
        torch.autograd.backward(torch.stack(losses).sum())
        grads = {name: parameter.grad for name, parameter in parameters.items()}
        reached = {name for name, grad in grads.items() if grad is not None and bool(grad.abs().max() > 0)}
        assert trained, "nothing is to be trained"
        unreached = {name for name in trained - reached if not name.startswith(self.idle)}
        assert not unreached, f"no gradient reaches {sorted(unreached)}"
        assert not reached - trained, f"gradients reach the frozen {sorted(reached - trained)}"


def _pictures(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Draw images of noise over blobs, so that a network that averages can tell them apart."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    fine = torch.rand(count, 3, height, width, generator=generator)
    return 0.7 * functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False) + 0.3 * fine


def _all_maps(network: Any, pictures: Tensor) -> list[Tensor]:
    return [*network.logits(pictures), *network.encode(pictures)]


def _assert_close(maps: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    for map_, other in zip(maps, expected, strict=True):
        assert (map_ - other).abs().max() <= TOLERANCE * other.abs().max(), "values differ by more than 1e-4 of the largest"
