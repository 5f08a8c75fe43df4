"""The Python call that runs an adaptation study again, from what its result records."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from howfar.report.rerun import UNKNOWN, folder, is_local_folder
from howfar.results.adaptation import Adaptation

OUT = "<another folder>"
LISTS = ("shots", "strategies", "seeds", "random_seeds", "background_shots")


def rerun(adaptation: Adaptation) -> str:
    """Lines of Python that run the study again with the same settings.

    A dataset's folder is what its images' paths have in common before their names; P's images are not in the result, so an
    angle-bracketed gap stands for it, as for the folder of the new study. Images that a caller had left out of a dataset are
    not left out by it.
    """
    chosen = dict(adaptation.settings)
    options, training = chosen.pop("options", {}), dict(chosen.pop("training", {}))
    training.pop("seed", None)
    lines = ["import howfar", "", "adaptation = howfar.adapt(", f"    {_primary(adaptation)!r},", "    ["]
    lines += [f"        {_dataset(adaptation, name)}," for name in adaptation.secondaries]
    lines += ["    ],", f"    {adaptation.segmenter!r},", f"    out={OUT!r},"]
    lines += [f"    {name}={_plain(name, value)!r}," for name, value in chosen.items()]
    if adaptation.background is not None:
        lines.append(f"    background={_dataset(adaptation, adaptation.background)},")
    if adaptation.blind:
        lines += ["    blind=[", *(f"        {_dataset(adaptation, name)}," for name in adaptation.blind), "    ],"]
    if options:
        lines.append(f"    options={dict(options)!r},")
    return "\n".join([*lines, *(f"    {name}={value!r}," for name, value in training.items()), ")"])


def _primary(adaptation: Adaptation) -> str:
    return f"{adaptation.primary}={UNKNOWN.format(adaptation.primary)}"


def _dataset(adaptation: Adaptation, name: str) -> str:
    """The call that reads a dataset, or a gap to fill."""
    images = adaptation.images[adaptation.images["dataset"] == name].drop_duplicates("image")
    place = folder(images["path"], images["image"], name)
    if place == UNKNOWN.format(name) or not is_local_folder(place):
        return repr(f"{name}={place}")
    # Masks lie beside the folder that is called images, and are found from the one that holds both.
    whole = PurePath(place).parent if PurePath(place).name == "images" else PurePath(place)
    return f"howfar.Dataset.from_folder({whole.as_posix()!r}, name={name!r})"


def _plain(name: str, value: Any) -> Any:
    return tuple(value) if name in LISTS else value
