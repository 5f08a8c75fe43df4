"""Register ready-made embeddings among the backbones, as datasets whose features are given."""

from __future__ import annotations

from typing import Final, NoReturn

from howfar.backbones.family import BackboneFamily, Card, Options
from howfar.errors import InputError


def _refuse(options: Options) -> NoReturn:
    raise InputError(
        "embeddings are given as datasets, not computed from images: pass the .npy or .parquet file in place of a folder"
    )


EMBEDDINGS: Final = BackboneFamily(
    Card(
        "embeddings",
        None,
        ".npy, .parquet",
        "yours",
        "yours",
        "ready-made features, given as datasets in place of image folders",
    ),
    _refuse,
)
