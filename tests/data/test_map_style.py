"""What gives images by number, as torch's datasets do, is read one image at a time and only when it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import StackDataset, Subset, TensorDataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from data.read_arguments import dataset_of
from howfar.data import Dataset, decode, parse, read_bytes, read_mask
from howfar.data.map_style import labelled
from howfar.errors import ImageError, InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 10, 12, 3), dtype=np.uint8)

TENSORS = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)


class Items:
    """A dataset of a user's own, which counts what it is asked for."""

    def __init__(self, items: list[Any], **attributes: Any) -> None:
        self._items, self.asked = items, list[int]()
        self.__dict__.update(attributes)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, number: int) -> Any:
        self.asked.append(number)
        item = self._items[number]
        if isinstance(item, Exception):
            raise item
        return item


def pixels(dataset: Dataset) -> list[Any]:
    return [np.asarray(decode(read_bytes(item.path)).image) for item in dataset.items]


def test_items_are_asked_for_when_they_are_needed_and_once_for_image_and_mask() -> None:
    items = Items([(picture, picture[:, :, 0] > 99) for picture in PIXELS])
    dataset = dataset_of(items)
    assert items.asked == [0, 0]  # twice, to see whether it is the same each time
    for number in (3, 0, 3):
        mask = dataset.items[number].mask
        assert np.array_equal(np.asarray(decode(read_bytes(dataset.items[number].path)).image), PIXELS[number])
        assert np.array_equal(read_mask(str(mask)), PIXELS[number][:, :, 0] > 99)
    assert items.asked == [0, 0, 3, 0, 3]
    failing = dataset_of(Items([PIXELS[0], OSError("gone"), PIXELS[2]]))
    read_bytes(failing.items[2].path)
    with pytest.raises(ImageError, match=r"item 1 cannot be had \(OSError: gone\)"):
        read_bytes(failing.items[1].path)


GIVEN: dict[str, Any] = {
    "Pillow": [Image.fromarray(picture) for picture in PIXELS],
    "uint8": list(TENSORS),
    "floating": list(TENSORS / 255),
    "alone in a tuple": [(picture,) for picture in PIXELS],
    "a mapping": [{"image": picture} for picture in PIXELS],
    "another mapping": [{"img": picture, "label": 1} for picture in PIXELS],
    "boxes": [(picture, {"boxes": torch.zeros(1, 4)}) for picture in TENSORS],
    "a float beside": [(picture, 0.5) for picture in PIXELS],
}


@pytest.mark.parametrize("kind", GIVEN)
def test_images_of_every_form(kind: str) -> None:
    dataset = dataset_of(Items(GIVEN[kind]))
    assert np.array_equal(pixels(dataset), PIXELS)
    assert all(item.mask is None for item in dataset.items)


@pytest.mark.parametrize(
    "numbers", [[0, 1, 0, 1, 0, 1], np.array([0, 1] * 3), torch.tensor([0, 1] * 3)], ids=["list", "array", "tensor"]
)
def test_classes_that_are_listed(numbers: Any) -> None:
    pairs = [(picture, int(number)) for picture, number in zip(PIXELS, numbers, strict=True)]
    named = dataset_of(Items(pairs, targets=numbers, classes=["dry", "wet"]))
    assert [item.label for item in named.items] == ["dry", "wet"] * 3
    assert [item.label for item in dataset_of(Items(pairs, labels=numbers)).items] == ["0", "1"] * 3
    tensors = TensorDataset(TENSORS, torch.tensor([0, 1] * 3))
    assert [item.label for item in dataset_of(tensors).items] == ["0", "1"] * 3
    assert [item.label for item in dataset_of(Subset(tensors, [1, 2])).items] == ["1", "0"]


@pytest.mark.parametrize("target", [3, np.int64(3), torch.tensor(3), "wet"])
def test_classes_that_come_with_images_alone_are_read_when_they_are_asked_for(target: Any) -> None:
    items = Items([(picture, target) for picture in PIXELS], classes=list("abcd"))
    dataset = dataset_of(items)
    assert {item.label for item in dataset.items} == {None}
    assert items.asked == [0, 0]
    assert {item.label for item in labelled(dataset).items} == {"wet" if target == "wet" else "d"}
    assert labelled(dataset_of(Items(list(PIXELS)))).items[0].label is None
    assert [item.label for item in labelled(dataset_of(Items([(PIXELS[0], target), OSError("gone")]))).items][1] is None


def test_masks() -> None:
    masks = PIXELS[..., 0] > 99
    for second in (list(masks), list(map(Image.fromarray, masks)), list(torch.from_numpy(masks)[:, None].float())):
        dataset = dataset_of(Items(list(zip(PIXELS, second, strict=True))))
        assert np.array_equal([read_mask(str(item.mask)) for item in dataset.items], masks)
    named = dataset_of(Items([{"image": picture, "mask": mask} for picture, mask in zip(PIXELS, masks, strict=True)]))
    assert np.array_equal([read_mask(str(item.mask)) for item in named.items], masks)
    stacked = dataset_of(StackDataset(list(PIXELS), list(masks)))
    assert np.array_equal([read_mask(str(item.mask)) for item in stacked.items], masks)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, picture in enumerate(PIXELS):
        file = tmp_path / "roads" / ("dry" if number < 2 else "wet") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(file)
    return tmp_path / "roads"


def test_an_image_folder_is_its_files_without_its_transform(folder: Path) -> None:
    normalise = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.2] * 3)])
    dataset = dataset_of(ImageFolder(folder, normalise))
    assert (dataset.name, dataset.root, dataset.items[0].path) == ("roads", folder, folder / "dry" / "0.png")
    assert [item.name for item in dataset.items] == [f"{'dry' if k < 2 else 'wet'}/{k}.png" for k in range(6)]
    assert [item.label for item in dataset.items] == ["dry"] * 2 + ["wet"] * 4
    chosen = dataset_of(Subset(Subset(ImageFolder(folder), [5, 3, 1]), [2, 0]))
    assert [item.name for item in chosen.items] == ["dry/1.png", "wet/5.png"]


def test_a_class_that_makes_something_else_of_an_image_folder_is_asked(folder: Path) -> None:
    class Cropped(ImageFolder):
        def __getitem__(self, index: int) -> Any:
            picture, target = super().__getitem__(index)
            return picture.crop((2, 2, 10, 8)), target

    dataset = dataset_of(Cropped(folder))
    assert np.array_equal(pixels(dataset), PIXELS[:, 2:8, 2:10])
    assert [item.label for item in dataset.items] == ["dry"] * 2 + ["wet"] * 4


class Unsized(torch.utils.data.Dataset[Any]):
    def __getitem__(self, number: int) -> Any:
        return PIXELS[number]


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        (Items([]), "at least one image, got a Items of none"),
        (Items([ValueError("no\ndisk")]), r"item 0 of the Items cannot be had \(ValueError: no disk\)"),
        (Items([7]), "item 0 of the Items is no picture: int and no picture"),
        (Items([(None, 1)]), "item 0 of the Items is no picture: None and no picture"),
        (Items([{"a": 1}]), "no picture: a dict of a and no picture"),
        (Unsized(), "got Unsized"),
        (Subset(Items(PIXELS), [0, 99]), "must choose among the .* items of its dataset, got 99"),
    ],
)
def test_what_gives_no_images_is_refused_in_one_line(argument: Any, line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        parse(argument)
    assert "\n" not in str(caught.value)
