"""List the studies that a study file would run, with time and disk space estimated from a few images timed here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Unpack

from howfar.keywords import StudyFileOptions, TrainKeywords
from howfar.pipeline import embed_all
from howfar.results.records import Cells, Shown, plain
from howfar.segmenters import segmenter_family
from howfar.settings import checked, picked
from howfar.studies.study_file.inputs import Inputs, Planned
from howfar.studies.study_file.kind import Work
from howfar.studies.study_file.run_study import plan_of
from howfar.training.training_settings import settings_for
from howfar.wording import duration, size_text

TIMED: Final = 4
"""Images that each backbone is timed on."""
SLOW: Final = 2.0
"""Seconds of a backbone's first image from which it is timed on no other."""
SMALL: Final = 96
"""Side in pixels of the picture that segmenters are timed on; a network at its own side does so many times the operations."""
_FLOAT: Final = 4
DONE, TO_DO = "done", "to do"


@dataclass(frozen=True)
class Rate:
    """Hold the cost of an image: seconds to embed it or predict its map, seconds to train on it once, bytes stored."""

    seconds: float
    learning: float = 0.0
    kept: float = 0.0
    once: float = 0.0


@dataclass(frozen=True)
class Estimated:
    """Hold the estimate of one study: whether it is done, images to embed, trainings, seconds and bytes."""

    name: str
    kind: str
    state: str
    images: int
    trainings: int
    seconds: float
    size: int


@dataclass(frozen=True, repr=False)
class StudyEstimate(Shown):
    """Hold the estimates for a study file, one `Estimated` per study, and the run folder."""

    folder: str
    studies: tuple[Estimated, ...]

    def caption(self) -> str:
        """Return a one-line caption: the work left to do."""
        left = [study for study in self.studies if study.state == TO_DO]
        seconds, size = sum(study.seconds for study in left), sum(study.size for study in left)
        if not left:
            return f"all {len(self.studies)} studies are done in {self.folder}"
        return f"{len(left)} of {len(self.studies)} studies to do: about {duration(seconds)}, at most {size_text(size)} on disk"

    def table(self) -> Cells:
        """Return header and cells, one row per study."""
        rows: list[tuple[str, ...]] = []
        for study in self.studies:
            work = (f"{study.images:,}", f"{study.trainings:,}", duration(study.seconds), size_text(study.size))
            rows.append((study.name, study.kind, study.state, *(work if study.state == TO_DO else ("–",) * 4)))
        return ("study", "kind", "state", "images to embed", "trainings", "about", "disk"), rows

    def remarks(self) -> list[str]:
        """Explain how the estimates were made."""
        if all(study.state == DONE for study in self.studies):
            return []
        return [
            f"timed here on at most {TIMED} images a backbone and a small step a segmenter, times its operations at full size; "
            "features that are in the store already cost nothing; distances, intervals and figures, which take seconds to "
            "minutes a study, are not in the estimate"
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar study --dry-run --json``."""
        return {"folder": self.folder, "studies": plain(self.studies)}


def estimate(file: str | Path, **options: Unpack[StudyFileOptions]) -> StudyEstimate:
    """Estimate the work of a study file's unfinished studies from a few images timed here, without running any study."""
    given = checked(StudyFileOptions, options)
    plan = plan_of(file, given)
    rates, seen, studies = dict[tuple[str, str], Rate](), set[tuple[str, str]](), []
    loaded = plan.load_networks(given["device"])
    for planned in plan.file.studies:
        if plan.kept(planned) is not None:
            studies.append(Estimated(planned.name, planned.kind.name, DONE, 0, 0, 0.0, 0))
        else:
            inputs = replace(plan.inputs(planned, given["device"]), loaded=loaded)
            studies.append(_estimated(planned, inputs, rates, seen))
    return StudyEstimate(str(plan.root), tuple(studies))


def _estimated(planned: Planned, inputs: Inputs, rates: dict[tuple[str, str], Rate], seen: set[tuple[str, str]]) -> Estimated:
    """Add up what a study has to compute; `rates` are known by backbone or model, `seen` the embedded datasets."""

    def rate_of(kind: str, name: str, timed: Callable[[str, Inputs], Rate]) -> Rate:
        if (kind, name) not in rates:
            rates[kind, name] = timed(name, inputs)
        return rates[kind, name]

    work: Work = planned.kind.work(planned.settings, inputs)
    images, seconds, size = 0, 0.0, 0.0
    for backbone, names in work.embedded.items():
        fresh = [name for name in names if (backbone, name) not in seen]
        seen |= {(backbone, name) for name in fresh}
        count = sum(len(inputs.dataset(name)) for name in fresh)
        # A perturbed backbone NAME+CHANGE costs what its backbone does.
        rate = rate_of("backbone", backbone.partition("+")[0], _embedding)
        images, seconds, size = images + count, seconds + count * rate.seconds, size + count * rate.kept
    trainings = 0
    for model, (times, examples) in work.trained.items():
        rate = rate_of("model", model, _learning)
        trainings += times
        seconds += times * examples * rate.learning
        size += times * rate.once
    for model, maps in work.predicted.items():
        rate = rate_of("model", model, _learning)
        seconds, size = seconds + maps * rate.seconds, size + maps * rate.kept
    return Estimated(planned.name, planned.kind.name, TO_DO, images, trainings, seconds, round(size))


def _embedding(name: str, inputs: Inputs) -> Rate:
    """Time a backbone on the first images of the file."""
    if name not in inputs.file.document.backbones:
        return Rate(0.0)  # a segmenter that the run trains: its features are counted with its maps
    backbone, dataset = inputs.backbone(name), next(iter(inputs.file.datasets.values()))
    # The first image pays for what is made once.
    for items in (dataset.items[:1], dataset.items[-TIMED:]):
        with tempfile.TemporaryDirectory() as store:
            begun = time.perf_counter()
            place = inputs.execution._replace(store=store, progress=False)
            embed_all([replace(dataset, items=items)], [backbone], *place)
            seconds = (time.perf_counter() - begun) / len(items)
        if seconds > SLOW:
            break
    return Rate(seconds, kept=float(sum(backbone.layers) * _FLOAT))


def _learning(name: str, inputs: Inputs) -> Rate:
    """Estimate a segmenter's forward pass, and a pass with gradients: seconds for a small picture, times the operations.

    On a GPU, which a small picture does not occupy, a whole batch at full size is timed.
    """
    import torch

    entry = inputs.model(name)
    family = segmenter_family(entry.segmenter)
    settings = settings_for(family, entry.options, **picked(TrainKeywords, entry.training()))
    network = family.build(family.checked(entry.options), False)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    on_gpu = inputs.device != "cpu" and torch.cuda.is_available()
    timed, count = network.train().to("cuda" if on_gpu else "cpu"), settings.batch if on_gpu else 1
    pictures = torch.zeros((count, 3, *[settings.size if on_gpu else min(SMALL, settings.size)] * 2))
    try:
        operations = _operations(network, pictures)
    except ValueError:  # of a network that takes pictures of one size alone
        timed, pictures = torch.nn.Conv2d(64, 64, 3, padding=1), torch.zeros((1, 64, SMALL, SMALL))
        operations = _operations(timed, pictures)
    learning, seconds = _step_seconds(timed, pictures)
    whole = _operations(network, torch.zeros((1, 3, settings.size, settings.size))) / operations
    return Rate(seconds * whole, learning * whole * settings.epochs, float(settings.size**2), float(parameters * _FLOAT))


def _operations(network: Any, pictures: Any) -> int:
    """Count the operations of a forward pass, without computing it."""
    from copy import deepcopy

    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        deepcopy(network).to("meta")(pictures.to("meta"))
    return int(counter.get_total_flops())


def _step_seconds(network: Any, pictures: Any) -> tuple[float, float]:
    """Time a training step and a forward pass, the second time that each is made."""
    import torch

    pictures = pictures.to(next(network.parameters()).device)

    def learn() -> None:
        sum(_tensors(network(pictures)), torch.zeros((), device=pictures.device)).backward()

    def predict() -> None:
        with torch.no_grad():
            float(sum(_tensors(network(pictures)), torch.zeros((), device=pictures.device)))

    return _timed(learn), _timed(predict)


def _tensors(found: Any) -> Iterable[Any]:
    """Sum every tensor in a network's output, which may hold several maps."""
    if isinstance(found, Mapping):
        return [each for value in found.values() for each in _tensors(value)]
    if isinstance(found, list | tuple):
        return [each for value in found for each in _tensors(value)]
    return [found.sum()]


def _timed(action: Callable[[], None]) -> float:
    """Return the seconds that an action takes the second time."""
    action()
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
