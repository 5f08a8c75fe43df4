"""Answer for new sites what a model will score there, how sure that is, why, and what to do next, in one go."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

from howfar.backbones import BackboneArgument
from howfar.data import Dataset, DatasetArgument, DatasetsArgument
from howfar.errors import InputError
from howfar.keywords import AssessOptions
from howfar.options import DEFAULT_BACKBONE
from howfar.progress import stage
from howfar.relation.model_selection import MEAN
from howfar.results import Comparison, Provenance, Relation
from howfar.results.assessment import Assessment, SiteAnswer
from howfar.results.run_files import page_folder
from howfar.settings import checked, command_words, with_options
from howfar.studies.assessment.answers import Answers, basis_of
from howfar.studies.assessment.blank_sites import blank_sites
from howfar.studies.assessment.maps import check_folders
from howfar.studies.assessment.next_step import LABELS, Commands
from howfar.studies.assessment.parts import Parts, Preparation, preparation
from howfar.studies.assessment.words import basis_note
from howfar.studies.copies import without_copies_of
from howfar.studies.distance import compare
from howfar.studies.performance.relate import relate
from howfar.studies.run_folder import draw
from howfar.studies.selection import select
from howfar.studies.study_inputs import drawn, keep_pictures, read_datasets, sources_of

if TYPE_CHECKING:
    from howfar.pipeline.prediction import ModelArgument
    from howfar.segmenters.probability_models import Reading

_COMPARING = (
    "components", "projection", "neighbours", "limit", "seed", "bootstrap", "permutations", "rivals", "baselines",
    "runner", "batch_size", "workers", "progress", "memory", "store", "device", "weights",
)  # fmt: skip
UNKNOWN: Final = "FOLDER"
"""What a command has in place of where a dataset lies, where it is in memory alone."""
_WRITTEN_APART = ("tiled", "size")
"""Options that are written with the model's."""
_RELATING = ("tau", "level", "error_rate", "bootstrap", "seed", "group", "estimator")


@with_options(AssessOptions)
def assess(
    primary: DatasetArgument,
    sites: DatasetsArgument,
    out: str | Path,
    *,
    model: ModelArgument | None = None,
    predictions: str | Path | None = None,
    backbone: BackboneArgument = DEFAULT_BACKBONE,
    reading: Reading | None = None,
    **options: Unpack[AssessOptions],
) -> Assessment:
    """Say what a model will score on each site, how sure that is, why, and what to do next, in one run folder and report.

    Its parts may be called alone too: `howfar.predict` makes maps, `howfar.evaluate` scores them, `howfar.compare` measures
    distances, and `howfar.relate` estimates what has no labels, sets it against the labelled datasets and lists probable
    failures. Where fewer than three sites have masks, `howfar.corrupt` makes labelled sets of the primary's own images. A run
    that was killed goes on where it was when it is called again.

    Parameters
    ----------
    primary
        P, with masks: what the model was trained on. Of these images those that a checkpoint learnt from are not scored; for
        any other model, have maps of images alone that it did not learn from.
    sites
        One dataset, a list of them, or a mapping from names. Those with masks are the labelled foreign sets, which are answered
        too, each left out; those without are the question.
    out
        The run folder: what compare and relate write, assessment.json, maps, scores, and the report.
    model
        A checkpoint, an ``.onnx`` file, a torch module, or what `howfar.pipeline.prediction.load_model` made of one.
    predictions
        In place of a model a folder with a folder of probability maps for each dataset by its name, and where known
        ``NAME-flipped`` with those of the mirrored images and ``NAME-tiled`` with those by tiles.
    backbone
        What distances are measured by, as `howfar.compare` takes it.
    reading
        How a foreign network is fed and read.

    Returns
    -------
    Assessment
        One answer a site. ``.sites``, ``.labelled``, ``.plot``.

    Raises
    ------
    HowfarError
        A primary without masks, neither model nor predictions or both, a dataset without a folder of maps, two datasets of one
        name, no labelled site where corrupted sets cannot be made.

    Examples
    --------
    >>> import shutil, tempfile
    >>> from howfar.demo import write_dataset
    >>> folder = Path(tempfile.mkdtemp())
    >>> roads, *others = (write_dataset(folder / name, 5, seed=k, size=48) for k, name in enumerate(("roads", "a", "b", "new")))
    >>> for site in (roads, *others):
    ...     path = shutil.copytree(site / "masks", folder / "maps" / site.name)
    >>> shutil.rmtree(others[-1] / "masks")
    >>> maps, quick = folder / "maps", {"backbone": "colour_moments", "baselines": False, "progress": False}
    >>> answers = assess(roads, others, folder / "run", predictions=maps, **quick)
    >>> [(site.dataset, site.measured) for site in answers.sites]
    [('a', 1.0), ('b', 1.0), ('new', None)]
    """
    given = checked(AssessOptions, options)
    read = _images(read_datasets(primary, sites))
    check_folders(read)
    folder = page_folder("out", out)
    assert folder is not None  # for the type checker: a folder is always given
    prepared = preparation(folder, model, predictions, reading, given)
    asked = [drawn(dataset, given["limit"], given["seed"]) for dataset in read[1:]]
    parts = prepared.parts(read[0], asked)
    comparison = _compared(read[0], asked, parts, backbone, folder, given, options)
    comparison = replace(comparison, sources={**comparison.sources, **sources_of(read, [primary], sites)})
    relating: Any = {name: given[name] for name in _RELATING}  # type: ignore[literal-required]  # names of options
    # Not a bar of one step, which would stand still for minutes: this shows its seconds.
    with stage(f"judging estimators of performance on {len(comparison.datasets)} datasets", given["progress"]):
        relation = relate(comparison, prepared.files(parts, [read[0], *asked]), **relating)
    commands = replace(
        _commands(read, comparison.sources, model, prepared),
        scored=_scored(relation, given["tolerance"], given["partial"] or given["limit"] is not None),
        read=_read(reading, given),
        chosen=_chosen(backbone, given),
    )
    assessment = _assessed(comparison, relation, parts, commands, [site.name for site in asked], given["seed"])
    written = _written(replace(assessment, model=_called(model, predictions)), comparison, relation, folder)
    return keep_pictures(written, read)


def _images(read: Sequence[Any]) -> list[Dataset]:
    ready = next((dataset.name for dataset in read if not isinstance(dataset, Dataset)), None)
    if ready is not None:
        raise InputError.of("primary and sites", "must be images, not embeddings", ready)
    return list(read)


def _compared(
    primary: Dataset,
    sites: Sequence[Dataset],
    parts: Parts,
    backbone: BackboneArgument,
    out: Path,
    given: AssessOptions,
    options: AssessOptions,
) -> Comparison:
    """Measure distances of the sites, then of corrupted sets; what the caller left out is as `compare` has it."""
    corrupted = () if parts.corrupted is None else parts.corrupted.datasets
    comparing: Any = {name: options[name] for name in _COMPARING if name in options}  # type: ignore[literal-required]  # options
    found = compare(primary, [*sites, *corrupted], backbone, out=out, **{**comparing, "rivals": given["rivals"]})
    return without_copies_of(found, [dataset.name for dataset in corrupted])


def _commands(
    read: Sequence[Dataset], sources: Mapping[str, str], model: ModelArgument | None, prepared: Preparation
) -> Commands:
    named = {dataset.name: f"{dataset.name}={sources.get(dataset.name, UNKNOWN)}" for dataset in read}
    card = None if prepared.model is None else prepared.model.card
    return Commands(
        primary=named[read[0].name],
        sites={dataset.name: named[dataset.name] for dataset in read[1:]},
        model="" if model is None else str(model) if isinstance(model, (str, Path)) else "CKPT",
        maps=Path(os.path.normpath(prepared.maps)),
        run=Path(os.path.normpath(prepared.run)),
        tiled=prepared.model is not None and prepared.model.predictor.tiled,
        seed=prepared.given["seed"],
        segmenter="unetplusplus" if card is None else card.segmenter,
    )


def _scored(relation: Relation, tolerance: float, partial: bool) -> tuple[str, ...]:
    """Write the options by which another command measures what was estimated here: its threshold, tolerance and images."""
    threshold = () if relation.settings.threshold is None else ("--threshold", f"{relation.settings.threshold:g}")
    mapped = ("--partial",) if partial else ()
    return (*threshold, *(("--tolerance", f"{tolerance:g}") if tolerance else ()), *mapped)


def _read(reading: Reading | None, given: AssessOptions) -> tuple[str, ...]:
    """Write the options by which a model was fed and read, where they were given."""
    written = ["--size", str(given["size"])] if given["size"] else []
    if reading is not None:
        written += [
            word for name in ("mean", "std") for word in (f"--{name}", ",".join(f"{one:g}" for one in getattr(reading, name)))
        ]
        written += ["--output", reading.output]
        written += [] if reading.channel is None else ["--channel", str(reading.channel)]
    return tuple(written)


def _chosen(backbone: BackboneArgument, given: AssessOptions) -> tuple[str, ...]:
    """Write the other options of an assessment, so that asking again asks the same."""
    named = ("--backbone", backbone) if isinstance(backbone, str) and backbone != DEFAULT_BACKBONE else ()
    rest = {name: value for name, value in given.items() if name not in _WRITTEN_APART}
    return (*named, *command_words(AssessOptions, rest))


def _called(model: ModelArgument | None, predictions: str | Path | None) -> str:
    if predictions is not None:
        return f"the model of {predictions}"
    return Path(model).name if isinstance(model, (str, Path)) else "the model"


def _assessed(
    comparison: Comparison, relation: Relation, parts: Parts, commands: Commands, sites: Sequence[str], seed: int
) -> Assessment:
    corrupted = () if parts.corrupted is None else tuple(dataset.name for dataset in parts.corrupted.datasets)
    basis = basis_of(parts.labelled, corrupted)
    scored = {evaluation.dataset: evaluation.scored for evaluation in parts.evaluations}
    answers = Answers(relation, commands, basis, scored, blank_sites(parts.evaluations))
    notes = [basis_note(basis, parts.labelled, len(corrupted), comparison.primary.name), *_notes(relation), *parts.notes]
    return Assessment(
        primary=comparison.primary.name,
        model="",
        metric=relation.metric,
        tau=relation.settings.tau,
        basis=basis,
        sites=tuple(_with_labels(answers.site(name), comparison, seed) for name in sites),
        labelled=answers.labelled(corrupted),
        tiled=commands.tiled,
        provenance=Provenance.now(),
        notes=tuple(note for note in notes if note),
    )


def _with_labels(site: SiteAnswer, comparison: Comparison, seed: int) -> SiteAnswer:
    """Name the images to label where that is what to do: those that the command of the answer chooses."""
    if site.next.action != "label":
        return site
    chosen = select(comparison, site.dataset, min(LABELS, site.n), "random", seed=seed)
    return replace(site, to_label=tuple(pick.image for pick in chosen.picks))


def _notes(relation: Relation) -> Iterator[str]:
    if relation.estimator == MEAN:
        yield "No estimator did better on labelled sets left out than their mean, which is all that is expected of the others."
    if any(row.measured is None for row in relation.estimates) and len(relation.judgements) == 0:
        yield "With a single labelled set nothing could be tested: how far the estimates miss is not known."


def _written(assessment: Assessment, comparison: Comparison, relation: Relation, folder: Path) -> Assessment:
    """Write the run folder anew, in the order in which its parts replace what they were made from, and the report of all."""
    comparison.save(folder)
    relation.save(folder)
    answers = assessment.made_from(comparison, relation)
    answers.save(folder)
    draw(comparison, folder, relation=relation, assessment=answers)
    return answers
