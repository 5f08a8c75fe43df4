"""What a dataset argument means, on the command line and in Python."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.data.embeddings import from_array, load_embeddings
from howfar.data.files import absolute
from howfar.data.folder import Dataset
from howfar.data.table import read_parquet_names, read_table
from howfar.errors import HowfarError, InputError, MissingPathError
from howfar.results import Features

KINDS = "a folder of images, NAME=PATH, a table (.csv, .parquet), embeddings (.npy, .parquet or an array), or a Dataset"
_PARQUET = (".parquet", ".pq")


def parse(argument: str | Path | Dataset | Features | NDArray[Any], name: str | None = None) -> Dataset | Features:
    """Turn a dataset argument into a `Dataset` of images, or into the `Features` that it already is.

    Parameters
    ----------
    argument
        A `Dataset` or `Features`, as it is; an (n, q) array; a folder; ``NAME=PATH`` (but a path that exists is a path,
        whatever it is called); a ``.csv`` or ``.parquet`` table with a column ``image`` (a column ``embedding`` makes it
        embeddings); a ``.npy`` file of embeddings.
    name
        The dataset's name, above every other.

    Raises
    ------
    MissingPathError
        Nothing lies at the path.
    InputError
        It is nothing of the above, or is not well formed.

    Examples
    --------
    >>> parse(np.eye(2), name="ours").rows.shape
    (2, 2)
    >>> parse("roads=no/such/folder")
    Traceback (most recent call last):
    howfar.errors.MissingPathError: nothing at ...
    """
    if isinstance(argument, (Dataset, Features)):
        return argument if name is None else _renamed(argument, name)
    if isinstance(argument, (str, Path)):
        try:
            path, given = _split(argument)
            return _read(path, name or given)
        except HowfarError:
            raise
        except OSError as error:
            raise InputError(f"{argument} cannot be read: {error.strerror or error}") from error
    if hasattr(argument, "__array__"):
        return from_array(np.asarray(argument), name or "array")
    raise InputError.of("dataset", f"must be {KINDS}", type(argument).__name__)


def _split(argument: str | Path) -> tuple[Path, str | None]:
    whole = absolute(argument)
    text = str(argument)
    if not text.strip():
        raise InputError.of("dataset", f"must be {KINDS}", text)
    name, equals, rest = text.partition("=")
    if whole.exists() or isinstance(argument, Path) or not equals:
        return whole, None
    if not name.strip() or not rest.strip():
        raise InputError.of("dataset", "must have a name and a path around =", text, "write NAME=PATH")
    return absolute(rest.strip()), name.strip()


def _read(path: Path, name: str | None) -> Dataset | Features:
    if not path.exists():
        raise MissingPathError(f"nothing at {path}: pass {KINDS}")
    if path.is_dir():
        return Dataset.from_folder(path, name)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return load_embeddings(path, name)
    if suffix in _PARQUET and "embedding" in read_parquet_names(path):
        return load_embeddings(path, name)
    if suffix == ".csv" or suffix in _PARQUET:
        return read_table(path, name)
    raise InputError.of("dataset", f"must be {KINDS}", str(path), "put images into a folder")


def _renamed(dataset: Dataset | Features, name: str) -> Dataset | Features:
    skipped = tuple(replace(one, dataset=name) for one in dataset.skipped)
    return replace(dataset, name=name, skipped=skipped)
