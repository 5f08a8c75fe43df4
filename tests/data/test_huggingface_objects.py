"""A Hugging Face dataset that is loaded gives the bytes of its files, so that its features are found where files' are."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from data.read_arguments import contents, dataset_of
from howfar.data import parse, read_mask
from howfar.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 10, 12, 3), dtype=np.uint8)
FEATURES = datasets.Features(
    {"image": datasets.Image(), "label": datasets.ClassLabel(names=["dry", "wet"]), "day": datasets.Value("int32")}
)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, picture in zip(paths, PIXELS, strict=True):
        Image.fromarray(picture).save(path)
    return paths


def of_files(files: list[Path]) -> datasets.Dataset:
    rows = {"image": [str(path) for path in files], "label": [0, 1, -1, 1], "day": [3, 4, 5, None]}
    return datasets.Dataset.from_dict(rows, features=FEATURES)


def test_images_classes_and_further_columns(files: list[Path]) -> None:
    dataset = dataset_of(of_files(files), unnamed="secondary")
    assert dataset.name == "secondary"
    assert contents(dataset) == contents(dataset_of(files))
    assert [item.name for item in dataset.items] == ["0.png", "1.png", "2.png", "3.png"]
    assert [item.label for item in dataset.items] == ["dry", "wet", None, "wet"]
    assert [item.further for item in dataset.items] == [(("day", "3"),), (("day", "4"),), (("day", "5"),), ()]


def test_a_choice_of_rows_and_a_format_that_was_set(files: list[Path]) -> None:
    whole = of_files(files)
    chosen = dataset_of(whole.select([3, 1]))
    assert contents(chosen) == [contents(dataset_of(files))[number] for number in (3, 1)]
    assert [item.label for item in chosen.items] == ["wet", "wet"]
    turned = whole.with_transform(lambda batch: {"image": [picture.rotate(90) for picture in batch["image"]]})
    for formatted in (whole.with_format("torch"), whole.with_format("numpy"), turned):
        assert contents(dataset_of(formatted)) == contents(dataset_of(files))


def test_pictures_in_memory_and_masks() -> None:
    masks = [Image.fromarray(picture[:, :, 0] > 99) for picture in PIXELS]
    features = datasets.Features({"photo": datasets.Image(), "mask": datasets.Image()})
    rows = {"photo": [Image.fromarray(picture) for picture in PIXELS], "mask": masks}
    made = datasets.Dataset.from_dict(rows, features=features)
    with pytest.raises(InputError, match=r"several columns of images \(photo, mask\): rename the one that counts to image"):
        parse(made)
    dataset = dataset_of(made.rename_column("photo", "image"))
    assert [item.name for item in dataset.items] == ["0", "1", "2", "3"]
    assert np.array_equal([read_mask(str(item.mask)) for item in dataset.items], PIXELS[..., 0] > 99)
    alone = dataset_of(made.remove_columns("mask"))
    assert contents(alone) == contents(dataset)


def test_the_name_is_what_it_was_loaded_by(files: list[Path]) -> None:
    made = of_files(files)
    made.info.dataset_name = "pets"
    assert dataset_of(made).name == "pets"
    assert dataset_of(made, name="ours").name == "ours"


def test_what_is_no_dataset_of_images(files: list[Path]) -> None:
    made = of_files(files)
    several = datasets.DatasetDict(train=made, test=made)
    for argument, line in (
        (datasets.DatasetDict(), "must be one split, got a DatasetDict without any: pass a dataset with images"),
        (several, r"must be one split, got a DatasetDict of train, test: pass dataset\['train'\]"),
        (made.to_iterable_dataset(), "must give its images by number, got 'IterableDataset': load it without streaming"),
        (made.remove_columns("image"), "has no column of images; its columns: label, day: cast_column"),
        (made.select([]), "at least one image, got a Dataset of no rows"),
    ):
        with pytest.raises(InputError, match=line):
            parse(argument)
