"""What is learnt from and what is held out: by photograph, read once, at the training size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from howfar.data import Dataset, Item, content_hash
from howfar.errors import ImageError, InputError
from howfar.training.image_mask_pairs import TrainingExample, examples_of, read_pairs, split


def tiles_of(counts: list[int]) -> list[TrainingExample]:
    return [TrainingExample("r", f"p{p}-{k}.png", Path(), None, f"r/p{p}") for p, n in enumerate(counts) for k in range(n)]


def dataset(*names: str, masks: bool = True) -> Dataset:
    return Dataset("roads", tuple(Item(name, Path(name), Path("m.png") if masks else None) for name in names))


COUNTS = st.lists(st.integers(1, 9), min_size=1, max_size=12)
SHARES = st.floats(0, 0.99)


@given(counts=COUNTS, share=SHARES, seed=st.integers(0, 2**32 - 1))
def test_photographs_never_straddle_and_one_stays(counts: list[int], share: float, seed: int) -> None:
    examples = tiles_of(counts)
    learnt, held = split(examples, share, seed)
    assert sorted([*learnt, *held], key=examples.index) == examples
    assert not {one.photograph for one in learnt} & {one.photograph for one in held}
    assert learnt
    assert list(learnt) == [one for one in examples if one in learnt]
    assert list(held) == [one for one in examples if one in held]


@given(counts=COUNTS, share=SHARES, seed=st.integers(0, 2**32 - 1))
def test_as_many_are_held_out_as_asked_and_no_photograph_more(counts: list[int], share: float, seed: int) -> None:
    examples = tiles_of(counts)
    learnt, held = split(examples, share, seed)
    photographs = {one.photograph for one in learnt}
    if len(photographs) > 1:
        assert len(held) >= share * len(examples)
    assert (len(held) > 0) == (share > 0 and len(counts) > 1)
    # Without the largest of them the share would not be reached.
    largest = max((sum(one.photograph == name for one in held) for name in {one.photograph for one in held}), default=0)
    assert held == () or len(held) - largest < share * len(examples)


def test_images_without_a_mask_are_no_examples_but_for_background() -> None:
    items = (Item("a.png", Path("a.png"), Path("m.png")), Item("b.png", Path("b.png")))
    half = Dataset("roads", items)
    assert [(one.name, one.mask) for one in examples_of(half)] == [("a.png", Path("m.png"))]
    assert [(one.name, one.mask) for one in examples_of(half, blank=True)] == [("a.png", None), ("b.png", None)]
    with pytest.raises(InputError, match="dataset roads must have masks to learn from, got 'none': put them in masks/"):
        examples_of(dataset("a.png", masks=False))


# Read


def save(file: Path, values: np.ndarray) -> Path:
    Image.fromarray(values).save(file)
    return file


def example(
    tmp_path: Path, name: str, height: int = 20, width: int = 30, mask: tuple[int, int] | None = None
) -> TrainingExample:
    rng = np.random.default_rng(len(name))
    picture = save(tmp_path / f"{name}.png", rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    marks = np.zeros(mask or (height, width), np.uint8)
    marks[3] = 255
    return TrainingExample("roads", f"{name}.png", picture, save(tmp_path / f"{name}-mask.png", marks), f"roads/{name}")


def test_pictures_and_masks_are_brought_to_the_size(tmp_path: Path) -> None:
    one = example(tmp_path, "a")
    blank = TrainingExample("far", "b.png", one.path, None, "far/b")
    pairs = read_pairs([one, blank], 8, progress=False)
    assert pairs.pictures.shape == (2, 3, 8, 8)
    assert pairs.pictures.dtype == np.uint8
    wanted = np.asarray(Image.open(one.path).resize((8, 8), Image.Resampling.BICUBIC))
    assert np.array_equal(pairs.pictures[0], wanted.transpose(2, 0, 1))
    # A line one pixel wide is still there, in the one row that covers it.
    assert pairs.masks[0, 0].sum(axis=1).tolist() == [0, 8, 0, 0, 0, 0, 0, 0]
    assert not pairs.masks[1].any()
    assert pairs.masks.shape == (2, 1, 8, 8)
    assert pairs.contents == (content_hash(one.path.read_bytes()),) * 2
    assert len(pairs) == 2


def test_the_fingerprint_is_of_the_contents_alone(tmp_path: Path) -> None:
    one, other = example(tmp_path, "a"), example(tmp_path, "bb")
    first = read_pairs([one, other], 8, progress=False).fingerprint
    (tmp_path / "c.png").write_bytes(one.path.read_bytes())
    renamed = TrainingExample("site", "c.png", tmp_path / "c.png", one.mask, "site/c")
    assert read_pairs([other, renamed], 8, progress=False).fingerprint == first
    assert read_pairs([other], 8, progress=False).fingerprint != first
    blank = TrainingExample("roads", "a.png", one.path, None, "roads/a")
    assert read_pairs([blank, other], 8, progress=False).fingerprint != first
    # Masks that change places are other examples, though the files are the same.
    swapped = [
        TrainingExample("roads", "a.png", one.path, save(tmp_path / "x.png", np.full((20, 30), 255, np.uint8)), "roads/a"),
        TrainingExample("roads", "bb.png", other.path, one.mask, "roads/bb"),
    ]
    back = [TrainingExample("roads", a.name, a.path, b.mask, a.photograph) for a, b in zip(swapped, swapped[::-1], strict=True)]
    assert read_pairs(swapped, 8, progress=False).fingerprint != read_pairs(back, 8, progress=False).fingerprint


def test_a_mask_of_another_size_names_the_image(tmp_path: Path) -> None:
    wrong = example(tmp_path, "a", mask=(10, 30))
    with pytest.raises(ImageError, match=r"^roads/a.png: its mask is 30×10 pixels, the picture 30×20$"):
        read_pairs([wrong], 8, progress=False)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    one = example(tmp_path, "a")
    one.path.write_text("text")
    with pytest.raises(ImageError, match=r"^roads/a.png: not an image"):
        read_pairs([one], 8, progress=False)
    other = example(tmp_path, "bb")
    save(tmp_path / "bb-mask.png", np.ones((20, 30), np.uint8))
    with pytest.raises(ImageError, match=r"^roads/bb.png: the mask .*bb-mask.png: a mask of 0 and 1"):
        read_pairs([other], 8, progress=False)
    with pytest.raises(InputError, match="examples must hold at least one, got 'none'"):
        read_pairs([], 8, progress=False)
