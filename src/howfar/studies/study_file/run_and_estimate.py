"""Run the studies of a study file in turn, reuse finished ones, write one report, and estimate the remaining work."""

import hashlib
import json
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Unpack

from pydantic import BaseModel, FiniteFloat

from howfar.data import Dataset
from howfar.errors import HowfarError, InputError, one_line, option
from howfar.formatting_and_escaping import duration, size_text
from howfar.image_reading_options import file_and_colour
from howfar.io.atomic_writes import replace_text
from howfar.io.file_location import absolute, is_url, stamp
from howfar.io.file_locks import alone
from howfar.memory import within
from howfar.option_checks_and_signatures import checked, nearest, picked, with_options
from howfar.options_by_function import StudyFileOptions, TrainKeywords
from howfar.pipeline.embedding import embed_all
from howfar.progress import bar
from howfar.results.checksums_and_overwrite_guard import page_folder
from howfar.results.display_and_shared_records import Cells, Provenance, Shown, plain
from howfar.results.result import Result
from howfar.results.study_run import StudyDataset, StudyRecord, StudyRun
from howfar.segmenters import segmenter_family
from howfar.studies.run_report import draw
from howfar.studies.study_file.kind import Planned, Work, named
from howfar.studies.study_file.read_study_file import (
    CheckedFile,
    Inputs,
    beside,
    check_document,
    missing_networks,
    read_document,
    refuse_missing,
)
from howfar.studies.study_inputs import Execution
from howfar.training.training_settings import settings_for

FORMAT: Final = 1
"""Version of how studies are run; another number runs all of them again."""
DONE: Final = "done.json"


class Done(BaseModel):
    """Hold the marker of a finished study: its key and its duration in seconds."""

    key: str
    seconds: FiniteFloat


def fingerprint(dataset: Dataset) -> str:
    """Hash the names, sizes and modification times of a dataset's images and masks."""
    rows = []
    for item in dataset.items:
        mask, colour = (None, None) if item.mask is None else file_and_colour(item.mask)
        rows.append([item.name, _state(item.path), _state(mask), *([] if colour is None else [str(colour)])])
    return _hash(rows)


def key_of(planned: Planned, file: CheckedFile, fingerprints: Mapping[str, str], needs: Mapping[str, str]) -> str:
    """Hash everything that a study's result depends on: settings, datasets, backbones, models, and the results it needs."""
    document = file.document
    datasets = file.expanded(named(planned.settings, "datasets"))
    backbones = {name: document.backbones[name] for name in named(planned.settings, "backbones")}
    models = {name: document.models[name] for name in named(planned.settings, "models")}
    content = {
        "format": FORMAT,
        "kind": planned.kind.name,
        "settings": planned.settings.model_dump(exclude={"title"}),
        "drawn": document.settings.get("seed", 0),
        "datasets": {
            name: [fingerprints[name], *(getattr(file.entries[name], field) for field in ("limit", "group"))]
            for name in datasets
        },
        "backbones": {name: [entry.described(), _weights(entry.weights)] for name, entry in backbones.items()},
        "models": {
            name: [entry.described(), *map(_weights, (entry.pretrained, *entry.options.values()))]
            for name, entry in models.items()
        },
        "needs": {name: needs[name] for name in planned.needs},
    }
    return _hash(content)


def done_in(folder: Path) -> Done | None:
    """Read the marker of a finished study; return None if it is missing or unreadable."""
    try:
        return Done.model_validate_json((folder / DONE).read_bytes())
    except (OSError, ValueError):
        return None


def _weights(path: Any) -> Any:
    """Describe the state of the files at an absolute path; None if there is no such file or folder."""
    if not isinstance(path, str) or not Path(path).is_absolute() or not Path(path).exists():
        return None
    files = [Path(path)] if Path(path).is_file() else sorted(each for each in Path(path).rglob("*") if each.is_file())
    return [[each.name, list(map(str, stamp(each)))] for each in files]


def _state(location: Any) -> Any:
    """Describe the state of an image's file or of its container; a URL stands for itself."""
    if isinstance(location, Path):
        holder = next((each for each in (location, *location.parents) if each.is_file()), None)
        return "gone" if holder is None else list(map(str, stamp(holder)))
    return None if location is None else str(location)


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


LOCK, PAGE = ".lock", "report.html"


@dataclass(frozen=True)
class Plan:
    """Hold a checked study file, its text, run folder, the key of each study, and the names of those to run."""

    text: str
    file: CheckedFile
    root: Path
    execution: Execution
    keys: dict[str, str]
    title: str
    folder_of_file: Path
    wanted: Collection[str]
    device: str

    def kept(self, planned: Planned) -> Result | None:
        """Load a study's result if its key is unchanged; return None if the study must run."""
        done = done_in(self.root / planned.name)
        if done is None or done.key != self.keys[planned.name]:
            return None
        try:
            return planned.kind.result.load(self.root / planned.name)
        except HowfarError:
            return None

    def loaded_inputs(self) -> Inputs:
        """Load the wanted unfinished studies' networks as inputs; raise `MissingPathError` that lists all that are missing."""
        unfinished = [each for each in self.file.studies if each.name in self.wanted and self.kept(each) is None]
        inputs = Inputs(self.file, self.root, self.execution, self.device)
        refuse_missing(missing_networks(self.file.document, unfinished, inputs.backbone))
        return inputs


@with_options(StudyFileOptions)
def study(file: str | Path, **options: Unpack[StudyFileOptions]) -> StudyRun:
    """Run every unfinished study of a study file, and write one report of all.

    The file and all that it names are checked before any work starts. A study is done where its result was made of the same
    settings, images, backbones and models; a run that was killed goes on where it was when it is run again. ``run["name"]`` is
    the result of a study; the run folder holds report.html, figures/, tables/ and a folder a study.

    Parameters
    ----------
    file
        A study file in TOML; ``howfar study --new`` writes a commented start.

    Raises
    ------
    HowfarError
        The file has an unknown key, a missing dataset or a wrong setting; or whatever a study raises, with its name before it.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.demo import write_dataset
    >>> folder = Path(tempfile.mkdtemp())
    >>> for number, name in enumerate(("roads", "north", "south")):
    ...     _ = write_dataset(folder / name, 8, seed=number, size=32)
    >>> text = '''
    ... [datasets]
    ... roads.path = "roads"
    ... north.path = "north"
    ... south.path = "south"
    ... [backbones.pixels]
    ... [studies.components]
    ... primary = "roads"
    ... secondaries = ["north", "south"]
    ... backbones = ["pixels"]
    ... components = [2, 4, 8]
    ... '''
    >>> _ = (folder / "mine.toml").write_text(text)
    >>> study(folder / "mine.toml", progress=False)["components"].backbones
    ('pixels',)
    """
    given = checked(StudyFileOptions, options)
    return run_plan(plan_of(file, given), given)


def run_plan(plan: Plan, given: StudyFileOptions) -> StudyRun:
    """Run the missing studies of a checked study file with the run folder locked; raises as `study`."""
    page_folder("out", plan.root, StudyRun.COMMAND)
    with within(given["memory"]), alone(plan.root / LOCK) as free:
        if not free:
            remedy = f"wait for it, or pass {option('out', 'FOLDER')}"
            raise InputError.of("out", "must not be written to by another run at once", str(plan.root), remedy)
        results, inputs = dict[str, Result](), plan.loaded_inputs()
        records, fresh = list[StudyRecord](), False
        studies = plan.file.studies
        for planned in bar(studies, progress=given["progress"], total=len(studies), unit="study", desc="studies"):
            result, key, folder = plan.kept(planned), plan.keys[planned.name], plan.root / planned.name
            if result is None and planned.name not in plan.wanted:
                continue
            if result is None:
                folder.mkdir(parents=True, exist_ok=True)
                begun, fresh = time.monotonic(), True
                with _naming(planned):
                    result = planned.kind.run(planned.settings, replace(inputs, folder=folder, results=results))
                seconds = round(time.monotonic() - begun, 3)
                # The result, then the marker that it is complete.
                marker = folder / DONE
                marker.unlink(missing_ok=True)
                result.save(folder)
                replace_text(marker, json.dumps({"key": key, "seconds": seconds}) + "\n")
            results[planned.name], done = result, done_in(folder)
            seconds = 0.0 if done is None else done.seconds
            records.append(StudyRecord(planned.name, planned.kind.name, planned.title, key, seconds))
        datasets = []
        for name, dataset in plan.file.datasets.items():
            entry = plan.file.entries[name]
            count = min(len(dataset), entry.limit or len(dataset))
            datasets.append(StudyDataset(name, count, str(dataset.root), entry.stands_for))
        made = tuple(results.values())
        run = StudyRun(plan.title, plan.text, tuple(records), made, tuple(datasets), provenance=Provenance.now())
        # Document and report stay where they tell of the same studies by the same version.
        if not fresh and (plan.root / PAGE).is_file():
            with suppress(HowfarError):
                earlier, same = StudyRun.load(plan.root), ("title", "text", "studies", "datasets")
                alike = all(getattr(earlier, name) == getattr(run, name) for name in same)
                if alike and earlier.provenance.howfar == run.provenance.howfar:
                    return run
        (plan.root / PAGE).unlink(missing_ok=True)
        run.save_document(plan.root)
        draw(run, plan.root)
        return run


def plan_of(file: str | Path, given: StudyFileOptions, places: Mapping[str, str] | None = None) -> Plan:
    """Read and check a study file, and compute each study's key; `places` says where datasets lie that have moved."""
    document, written = read_document(file, places)
    path = absolute(file)
    root = beside(path.parent, document.out or path.stem) if given["out"] is None else absolute(given["out"])
    if given["out"] is None and root == path:
        raise InputError.of("out", "must be another path than the study file", str(path), 'write out = "FOLDER" in it')
    store = given["store"] or document.store or root / "store"
    if isinstance(store, str) and not is_url(store):
        store = beside(path.parent, str(store)) if given["store"] is None else absolute(store)
    execution = Execution.of({**given, "store": store})  # type: ignore[typeddict-unknown-key]  # more than it reads
    for name, entry in document.datasets.items():
        # Its figures would become images of the dataset.
        if not is_url(entry.path) and root.is_relative_to(entry.path):
            rule = f"must not lie in the folder of datasets.{name}"
            raise InputError.of("out", rule, str(root), 'write out = "FOLDER" elsewhere')
    checked_file = check_document(document)
    # Every study if none is named; and a study stands after those that it needs.
    known, only = [planned.name for planned in checked_file.studies], given["only"]
    texts = ",".join([only] if isinstance(only, str) else only).split(",")
    wanted = {text.strip() for text in texts if text.strip()} or set(known)
    for name in wanted - set(known):
        raise InputError.of("only", "must name studies of the file", name, nearest(name, known, "studies"))
    for planned in reversed(checked_file.studies):
        wanted |= set(planned.needs) if planned.name in wanted else set()
    prints = {name: fingerprint(dataset) for name, dataset in checked_file.datasets.items()}
    title = document.title or path.stem.replace("-", " ").capitalize()
    plan = Plan(written, checked_file, root, execution, {}, title, path.parent, wanted, given["device"])
    for planned in checked_file.studies:
        with _naming(planned):
            if planned.name in wanted:
                planned.kind.check(planned.settings, Inputs(checked_file, plan.root / planned.name, execution, plan.device))
        plan.keys[planned.name] = key_of(planned, checked_file, prints, plan.keys)
    return plan


@contextmanager
def _naming(planned: Planned) -> Iterator[None]:
    """Prefix an error of a study with the study's name."""
    try:
        yield
    except HowfarError as error:
        raise type(error)(f"studies.{planned.name}: {one_line(error, 2000)}") from error


TIMED: Final = 4
"""Images that each backbone is timed on."""
SLOW: Final = 2.0
"""Seconds of a backbone's first image from which it is timed on no other."""
SMALL: Final = 96
"""Side in pixels of the picture that segmenters are timed on; a network at its own side does so many times the operations."""
_FLOAT: Final = 4
IS_DONE, TO_DO = "done", "to do"


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
        if all(study.state == IS_DONE for study in self.studies):
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
    inputs, seen, studies = plan.loaded_inputs(), set[tuple[str, str]](), []
    rate_of = cache(lambda timed, name: timed(inputs, name))
    for planned in plan.file.studies:
        if plan.kept(planned) is not None:
            studies.append(Estimated(planned.name, planned.kind.name, IS_DONE, 0, 0, 0.0, 0))
            continue
        if planned.name not in plan.wanted:
            continue
        # What the study has to compute, by the rates of its backbones and models.
        work: Work = planned.kind.work(planned.settings, replace(inputs, folder=plan.root / planned.name))
        images, seconds, size = 0, 0.0, 0.0
        for backbone, names in work.embedded.items():
            fresh = [name for name in names if (backbone, name) not in seen]
            seen |= {(backbone, name) for name in fresh}
            count = sum(len(inputs.dataset(name)) for name in fresh)
            # A perturbed backbone NAME+CHANGE costs what its backbone does.
            rate = rate_of(_embedding, backbone.partition("+")[0])
            images, seconds, size = images + count, seconds + count * rate.seconds, size + count * rate.kept
        trainings = sum(times for times, _ in work.trained.values())
        for model, (times, examples) in work.trained.items():
            rate = rate_of(_learning, model)
            seconds, size = seconds + times * examples * rate.learning, size + times * rate.once
        for model, maps in work.predicted.items():
            rate = rate_of(_learning, model)
            seconds, size = seconds + maps * rate.seconds, size + maps * rate.kept
        studies.append(Estimated(planned.name, planned.kind.name, TO_DO, images, trainings, seconds, round(size)))
    return StudyEstimate(str(plan.root), tuple(studies))


def _embedding(inputs: Inputs, name: str) -> Rate:
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


def _learning(inputs: Inputs, name: str) -> Rate:
    """Estimate a segmenter's forward pass, and a pass with gradients: seconds for a small picture, times the operations.

    On a GPU, which a small picture does not occupy, a whole batch at full size is timed.
    """
    import torch

    entry = inputs.model(name)
    family = segmenter_family(entry.segmenter)
    settings = settings_for(family, entry.options, **picked(TrainKeywords, entry.chosen()))
    network = family.build(family.checked(entry.options), False)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    on_gpu = inputs.device != "cpu" and torch.cuda.is_available()
    timed, count = network.train().to("cuda" if on_gpu else "cpu"), settings.batch if on_gpu else 2
    pictures = torch.zeros((count, 3, *[settings.size if on_gpu else min(SMALL, settings.size)] * 2))
    try:
        operations = _operations(network, pictures)
    except ValueError:  # of a network that takes pictures of one size alone
        timed, pictures = torch.nn.Conv2d(64, 64, 3, padding=1), torch.zeros((2, 64, SMALL, SMALL))
        operations = _operations(timed, pictures)
    timing, seconds = pictures.to(next(timed.parameters()).device), []
    # Each twice, of which the second is timed.
    for learns in (True, True, False, False):
        begun = time.perf_counter()
        with torch.set_grad_enabled(learns):
            total = timed(timing).sum()
            if learns:
                total.backward()
            float(total.detach())
        seconds.append(time.perf_counter() - begun)
    # Of two pictures, since networks normalise by a batch.
    whole = _operations(network, torch.zeros((2, 3, settings.size, settings.size))) / 2 / operations
    _, learning, _, predicting = seconds
    return Rate(predicting * whole, learning * whole * settings.epochs, float(settings.size**2), float(parameters * _FLOAT))


def _operations(network: Any, pictures: Any) -> int:
    """Count the operations of a forward pass, without computing it."""
    from copy import deepcopy

    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        deepcopy(network).to("meta")(pictures.to("meta"))
    return int(counter.get_total_flops())
