"""Run the studies of a study file in turn, reuse finished ones, and report them all."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, Unpack

from howfar.data import Dataset
from howfar.errors import HowfarError, InputError, one_line, option
from howfar.io.atomic import replace_text
from howfar.io.location import absolute, is_url, stamp
from howfar.io.lock import alone
from howfar.keywords import StudyFileOptions
from howfar.mask_colour import file_and_colour
from howfar.memory import within
from howfar.progress import bar
from howfar.results.records import Provenance
from howfar.results.result import Result
from howfar.results.run_files import page_folder
from howfar.results.study_run import StudyDataset, StudyRecord, StudyRun
from howfar.settings import checked, with_options
from howfar.studies.run_folder import draw
from howfar.studies.study_file.document import StudyDocument, beside, read_document
from howfar.studies.study_file.inputs import CheckedFile, Inputs, Planned, check_document
from howfar.studies.study_file.kind import named
from howfar.studies.study_file.requirements import missing_networks, refuse_missing
from howfar.studies.study_inputs import Execution

FORMAT: Final = 1
"""Version of how studies are run; another number runs all of them again."""
DONE: Final = "done.json"


class Done(NamedTuple):
    """Hold the marker of a finished study: its key and its duration in seconds."""

    key: str
    seconds: float


def fingerprint(dataset: Dataset) -> str:
    """Hash the names, sizes and modification times of a dataset's images and masks."""
    return _hash([[item.name, _state(item.path), *_mask_state(item.mask)] for item in dataset.items])


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
        written = json.loads((folder / DONE).read_text(encoding="utf-8"))
        seconds = float(written["seconds"])
        return Done(str(written["key"]), seconds) if math.isfinite(seconds) else None
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None


def _weights(path: Any) -> Any:
    """Describe the state of the files at an absolute path; None if there is no such file or folder."""
    if not isinstance(path, str) or not Path(path).is_absolute() or not Path(path).exists():
        return None
    files = [Path(path)] if Path(path).is_file() else sorted(each for each in Path(path).rglob("*") if each.is_file())
    return [[each.name, list(map(str, stamp(each)))] for each in files]


def _mask_state(mask: Path | str | None) -> list[Any]:
    """Describe the state of a mask's file and its foreground colour, if any."""
    file, colour = (None, None) if mask is None else file_and_colour(mask)
    return [_state(file)] if colour is None else [_state(file), str(colour)]


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
        return _run(plan, given)


@dataclass(frozen=True)
class Plan:
    """Hold a checked study file, its text, run folder, and the key of each study."""

    text: str
    file: CheckedFile
    root: Path
    execution: Execution
    keys: Mapping[str, str]
    title: str
    folder_of_file: Path

    def folder(self, planned: Planned) -> Path:
        """Return the folder of a study's result."""
        return self.root / planned.name

    def kept(self, planned: Planned) -> Result | None:
        """Load a study's result if its key is unchanged; return None if the study must run."""
        done = done_in(self.folder(planned))
        if done is None or done.key != self.keys[planned.name]:
            return None
        try:
            return planned.kind.result.load(self.folder(planned))
        except HowfarError:
            return None

    def load_networks(self, device: str) -> dict[str, Any]:
        """Load the backbones of the unfinished studies; raise `MissingPathError` that lists all networks that are missing."""
        unfinished = [planned for planned in self.file.studies if self.kept(planned) is None]
        inputs = Inputs(self.file, self.root, self.execution, device)
        refuse_missing(missing_networks(self.file.document, unfinished, inputs.backbone))
        return inputs.loaded

    def inputs(self, planned: Planned, device: str) -> Inputs:
        """Return a study's inputs without the results of other studies."""
        folders = {name: self.root / name for name in planned.needs}
        return Inputs(self.file, self.folder(planned), self.execution, device, seed_of(self.file.document), folders=folders)


def plan_of(file: str | Path, given: StudyFileOptions, places: Mapping[str, str] | None = None) -> Plan:
    """Read and check a study file, and compute each study's key; `places` says where datasets lie that have moved."""
    document, text = read_document(file, places)
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
    prints = {name: fingerprint(dataset) for name, dataset in checked_file.datasets.items()}
    keys: dict[str, str] = {}
    for planned in checked_file.studies:
        inputs = Inputs(checked_file, root / planned.name, execution, given["device"], seed_of(document))
        with _naming(planned):
            planned.kind.check(planned.settings, inputs)
        keys[planned.name] = key_of(planned, checked_file, prints, keys)
    title = document.title or path.stem.replace("-", " ").capitalize()
    return Plan(text, checked_file, root, execution, keys, title, path.parent)


def seed_of(document: StudyDocument) -> int:
    """Return the seed of a study file's settings."""
    return int(document.settings.get("seed", 0))


def _run(plan: Plan, given: StudyFileOptions) -> StudyRun:
    results, loaded = dict[str, Result](), plan.load_networks(given["device"])
    records, fresh = list[StudyRecord](), False
    shown = bar(plan.file.studies, progress=given["progress"], total=len(plan.file.studies), unit="study", desc="studies")
    for planned in shown:
        result, key = plan.kept(planned), plan.keys[planned.name]
        if result is None:
            inputs = replace(plan.inputs(planned, given["device"]), results=results, loaded=loaded)
            result, fresh = _one(planned, inputs, key), True
        written = done_in(plan.folder(planned))
        seconds = 0.0 if written is None else written.seconds
        results[planned.name] = result
        records.append(StudyRecord(planned.name, planned.kind.name, planned.title, key, seconds))
    entries = ((name, plan.file.entries[name], dataset) for name, dataset in plan.file.datasets.items())
    datasets = (
        StudyDataset(name, min(len(dataset), entry.limit or len(dataset)), str(dataset.root), entry.stands_for)
        for name, entry, dataset in entries
    )
    run = StudyRun(plan.title, plan.text, tuple(records), tuple(results.values()), tuple(datasets), Provenance.now())
    return _written(run, plan, fresh)


@contextmanager
def _naming(planned: Planned) -> Iterator[None]:
    """Prefix an error of a study with the study's name."""
    try:
        yield
    except HowfarError as error:
        raise type(error)(f"studies.{planned.name}: {one_line(error, 2000)}") from error


def _one(planned: Planned, inputs: Inputs, key: str) -> Result:
    """Run one study, and save its result, then the marker that it is complete; errors name the study."""
    inputs.folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with _naming(planned):
        result = planned.kind.run(planned.settings, inputs)
    seconds = round(time.monotonic() - begun, 3)
    marker = inputs.folder / DONE
    marker.unlink(missing_ok=True)
    result.save(inputs.folder)
    replace_text(marker, json.dumps({"key": key, "seconds": seconds}) + "\n")
    return result


def _written(run: StudyRun, plan: Plan, fresh: bool) -> StudyRun:
    """Write the document and the report, unless both exist and tell of the same studies by the same version."""
    if not fresh and (plan.root / PAGE).is_file():
        with suppress(HowfarError):
            earlier, same = StudyRun.load(plan.root), ("title", "text", "studies", "datasets")
            if earlier.provenance.howfar == run.provenance.howfar and all(getattr(earlier, n) == getattr(run, n) for n in same):
                return run
    (plan.root / PAGE).unlink(missing_ok=True)
    run.save_document(plan.root)
    draw(run, plan.root)
    return run
