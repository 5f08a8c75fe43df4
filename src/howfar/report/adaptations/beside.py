"""Find the study of adaptation that lies beside another study, for the figures that are drawn of its images and maps."""

from __future__ import annotations

from pathlib import Path

from howfar.errors import MissingPathError
from howfar.results.adaptations import Adaptations

ABSENT = "The study of adaptation does not lie beside this one, so the figures of its images are left out."


def folder_of(of: str, folder: Path) -> Path:
    """Give the folder of the study of adaptation called `of`, by the folder of a study of the same file."""
    return folder.resolve().parent / of


def beside(of: str, folder: Path) -> Adaptations | None:
    """Load the study of adaptation called `of` that lies beside a study's folder; None where it is not there."""
    try:
        return Adaptations.load(folder_of(of, folder))
    except MissingPathError:
        return None
