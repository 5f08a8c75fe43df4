"""Read dataset arguments in tests, and the contents of the images that they name."""

from typing import Any

from howfar.data import Dataset, content_hash, parse, read_bytes


def dataset_of(argument: Any, **names: str) -> Dataset:
    """The dataset of images that an argument gives."""
    dataset = parse(argument, **names)
    assert isinstance(dataset, Dataset)
    return dataset


def contents(dataset: Dataset) -> list[str]:
    """The hash of each image's content."""
    return [content_hash(read_bytes(item.path)) for item in dataset.items]
