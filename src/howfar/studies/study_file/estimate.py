"""List the studies that a study file would run, with time and disk space estimated from a few images timed here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np

from howfar.backbones import load_backbone
from howfar.data import Dataset
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

TIMED: Final = 8
"""Images that each backbone is timed on."""
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
            f"timed here on {TIMED} images a backbone and one batch a segmenter; features that are in the store already cost "
            "nothing; distances, intervals and figures, which take seconds to minutes a study, are not in the estimate"
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of ``howfar study --dry-run --json``."""
        return {"folder": self.folder, "studies": plain(self.studies)}


def estimate(file: str | Path, **options: Unpack[StudyFileOptions]) -> StudyEstimate:
    """Estimate the work of a study file's unfinished studies from a few images timed here, without running any study."""
    given = checked(StudyFileOptions, options)
    plan = plan_of(file, given)
    rates, seen, studies = dict[tuple[str, str], Rate](), set[tuple[str, str]](), []
    for planned in plan.file.studies:
        if plan.kept(planned) is not None:
            studies.append(Estimated(planned.name, planned.kind.name, DONE, 0, 0, 0.0, 0))
        else:
            studies.append(_estimated(planned, plan.inputs(planned, given["device"]), rates, seen))
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
    registered, options = inputs.loading(name)
    backbone = load_backbone(registered, **options)
    # A few of two datasets, the second set alone timed: the first images pay for what is made once.
    datasets = [inputs.file.datasets[each] for each in list(inputs.file.datasets)[:2]]
    first, second = _few(datasets[0]), _few(datasets[-1])
    with tempfile.TemporaryDirectory() as store:
        place = inputs.execution._replace(store=store, progress=False)
        embed_all([replace(first, name="first")], [backbone], *place)
        begun = time.perf_counter()
        embed_all([replace(second, name="second")], [backbone], *place._replace(store=f"{store}/second"))
        seconds = (time.perf_counter() - begun) / len(second)
    return Rate(seconds, kept=float(sum(backbone.layers) * _FLOAT))


def _few(dataset: Dataset) -> Dataset:
    return replace(dataset, items=dataset.items[:TIMED])


def _learning(name: str, inputs: Inputs) -> Rate:
    """Time a segmenter's forward pass, and a pass with gradients, with random weights on noise."""
    import torch

    entry = inputs.model(name)
    family = segmenter_family(entry.segmenter)
    settings = settings_for(family, entry.options, **picked(TrainKeywords, entry.training()))
    network = family.build(family.checked(entry.options), False)
    device = "cuda" if inputs.device != "cpu" and torch.cuda.is_available() else "cpu"
    network.to(device)
    rng = np.random.default_rng(0)
    batch = torch.as_tensor(rng.random((settings.batch, 3, settings.size, settings.size), dtype=np.float32), device=device)

    def outputs() -> Any:
        found = network(batch)
        return sum(_tensors(found), torch.zeros((), device=device))

    def learn() -> None:
        outputs().backward()

    def predict() -> None:
        with torch.no_grad():
            outputs()

    network.train()
    learning = _timed(learn) / settings.batch * settings.epochs
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Rate(_timed(predict) / settings.batch, learning, float(settings.size**2), float(parameters * _FLOAT))


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
