from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from howfar.paper.promptable_networks import (
    EncodedImage,
    Personal,
    Prompt,
    Sam,
    box_and_point_of,
    box_of,
    by_example,
    locate,
    personalise,
    points_of,
)
from howfar.weights.state_dicts import hash_state_dict

Proposals = tuple[torch.Tensor, torch.Tensor]
MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)).filter(np.any)


def picture(width: int = 50, height: int = 30, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


@pytest.fixture(scope="module")
def sam(sam_folder: Path) -> Sam:
    return Sam(sam_folder)


def test_sees_and_proposes_as_plain_transformers(sam: Sam, sam_folder: Path) -> None:
    image = picture()
    model = transformers.SamModel.from_pretrained(sam_folder).eval()
    # 50 × 30 becomes 64 × 38, the rest of the square is padding.
    pixels = np.asarray(image.resize((64, 38), Image.Resampling.BILINEAR), dtype=np.float32) / 255
    scaled = (pixels - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    square = np.zeros((3, 64, 64), dtype=np.float32)
    square[:, :38] = scaled.transpose(2, 0, 1)
    points = torch.tensor([[[[10.0 * 64 / 50, 20.0 * 38 / 30], [5.0 * 64 / 50, 3.0 * 38 / 30]]]])
    boxes = torch.tensor([[[2.0 * 64 / 50, 3.0 * 38 / 30, 40.0 * 64 / 50, 29.0 * 38 / 30]]])
    with torch.no_grad():
        expected = model(
            pixel_values=torch.from_numpy(square)[None],
            input_points=points,
            input_labels=torch.tensor([[[1, 0]]]),
            input_boxes=boxes,
        )
    prompt = Prompt(points=((10.0, 20.0), (5.0, 3.0)), labels=(1, 0), box=(2.0, 3.0, 40.0, 29.0))
    logits, quality = sam.masks(sam.encode(image), prompt)
    torch.testing.assert_close(logits, expected.pred_masks[0, 0], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(quality, expected.iou_scores[0, 0], rtol=1e-4, atol=1e-6)
    assert torch.equal(sam.best(sam.encode(image), prompt), logits[int(quality.argmax())])


def test_padding_is_no_part_of_the_picture(sam: Sam) -> None:
    encoded = sam.encode(picture())
    # Foreground in the upper part alone, which is where the picture lies: 38 of 64 rows.
    logits = torch.full((16, 16), -20.0)
    logits[:9] = 20.0
    found = sam.probabilities(encoded, logits)
    assert found.shape == (30, 50)
    assert found.dtype == np.float32
    assert (found[:26] > 0.99).all()


class Drawn(Sam):
    """Three proposals drawn by hand, over features that are drawn too: 64 × 64, all of it picture."""

    def __init__(self, proposals: torch.Tensor, features: torch.Tensor) -> None:
        self.device, self.side, self.proposals, self.features = torch.device("cpu"), 64, proposals, features
        self.told: list[Prompt] = []

    def encode(self, picture: Image.Image) -> EncodedImage:
        return EncodedImage(self.features, (picture.height, picture.width), (64, 64))

    def masks(self, encoded: EncodedImage, prompt: Prompt, before: torch.Tensor | None = None) -> Proposals:
        self.told.append(prompt)
        return self.proposals, torch.tensor([0.1, 0.9, 0.2])


@pytest.fixture
def drawn() -> tuple[Drawn, np.ndarray]:
    """The mask is a block; its features are alike and unlike the rest; the second proposal is right."""
    mask = np.zeros((64, 64), dtype=bool)
    mask[16:32, 8:24] = True
    features = torch.zeros(1, 4, 8, 8)
    features[0, 0] = 1.0
    features[0, :, 2:4, 1:3] = torch.tensor([0.0, 1.0, 0.0, 0.0])[:, None, None]
    features[0, :, 7, 7] = torch.tensor([0.0, -1.0, 0.0, 0.0])
    truth = torch.from_numpy(np.where(mask, 4.0, -4.0)[2::4, 2::4].astype(np.float32))
    return Drawn(torch.stack([-truth, truth, torch.zeros_like(truth)]), features), mask


def test_the_target_is_found_again(drawn: tuple[Drawn, np.ndarray]) -> None:
    sam, mask = drawn
    personal = personalise(sam, picture(64, 64), mask, steps=1)
    torch.testing.assert_close(personal.target, torch.tensor([0.0, 1.0, 0.0, 0.0]))
    # In a picture twice as large the points are twice as far out.
    prompt = locate(sam, EncodedImage(sam.features, (128, 128), (64, 64)), personal.target)
    (x, y), (far_x, far_y) = prompt.points
    assert prompt.labels == (1, 0)
    assert 16 <= x <= 48
    assert 32 <= y <= 64
    assert far_x > 112
    assert far_y > 112


def test_the_target_is_half_mean_half_maximum(drawn: tuple[Drawn, np.ndarray]) -> None:
    sam, mask = drawn
    # The mask covers four cells, of which one is stronger in the third channel.
    sam.features[0, 2, 3, 2] = 4.0
    personal = personalise(sam, picture(64, 64), mask, steps=1)
    expected = torch.tensor([0.0, 1.0, (1.0 + 4.0) / 2, 0.0])
    torch.testing.assert_close(personal.target, expected / expected.norm())


def test_refinement_has_logits_then_logits_and_box(sam_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sam = Sam(sam_folder)
    encoded = sam.encode(picture())
    passes: list[tuple[Prompt, torch.Tensor | None, torch.Tensor, torch.Tensor]] = []
    plain = Sam.masks

    def recorded(self: Sam, encoded: EncodedImage, prompt: Prompt, before: torch.Tensor | None = None) -> Proposals:
        logits, quality = plain(self, encoded, prompt, before)
        # Centred over the upper part, where the picture lies, so that random weights segment something.
        logits = logits - logits[:, :9].mean(dim=(1, 2), keepdim=True)
        passes.append((prompt, before, logits, logits[int(quality.argmax())]))
        return logits, quality

    monkeypatch.setattr(Sam, "masks", recorded)
    personal = Personal(torch.nn.functional.normalize(encoded.embedding[0, :, 2, 2], dim=0), (0.5, 0.2))
    by_example(sam, personal, encoded)
    (first, second, third) = passes
    assert first[1] is None
    assert second[0] == first[0]
    torch.testing.assert_close(second[1], personal.weigh(first[2]))
    torch.testing.assert_close(third[1], second[3])
    assert third[0].points == first[0].points
    assert third[0].box == box_of(sam.probabilities(encoded, second[3]) > 0.5).box


def test_nothing_of_sam_changes(sam_folder: Path) -> None:
    sam = Sam(sam_folder)
    mask = np.zeros((30, 50), dtype=bool)
    mask[10:20, 10:20] = True
    personal = personalise(sam, picture(), mask, steps=3)
    found, _ = by_example(sam, personal, sam.encode(picture(seed=1)))
    assert found.shape == (30, 50)
    assert hash_state_dict(sam.model.state_dict()) == sam.weights == Sam(sam_folder).weights


@given(MASKS, st.integers(0, 5), st.integers(0, 5), st.integers(0, 3))
def test_points_lie_where_their_labels_say(mask: np.ndarray, foreground: int, background: int, seed: int) -> None:
    found = points_of(mask, foreground, background, np.random.default_rng(seed))
    for (x, y), label in zip(found.points, found.labels, strict=True):
        assert mask[int(y), int(x)] == bool(label)
    assert sum(found.labels) == min(foreground, mask.sum())
    assert len(found.labels) - sum(found.labels) == min(background, (~mask).sum())
    assert len(set(found.points)) == len(found.points)
    assert found == points_of(mask, foreground, background, np.random.default_rng(seed))


@given(MASKS)
def test_the_box_is_the_smallest(mask: np.ndarray) -> None:
    box = box_of(mask).box
    assert box is not None
    left, upper, right, lower = (int(value) for value in box)
    assert mask[upper:lower, left:right].sum() == mask.sum()
    assert all(edge.any() for edge in (mask[upper], mask[lower - 1], mask[:, left], mask[:, right - 1]))


@given(MASKS)
def test_the_background_point_lies_outside_the_box(mask: np.ndarray) -> None:
    prompt = box_and_point_of(mask, np.random.default_rng(0))
    assert prompt.box == box_of(mask).box
    left, top, right, bottom = prompt.box or ()
    assert prompt.labels == (0,) * len(prompt.points)
    assert len(prompt.points) == (mask.size > (right - left) * (bottom - top))
    assert not any(left < x < right and top < y < bottom for x, y in prompt.points)
