"""Certify a model on a site: draw images at random, hand them out to be labelled, and state what their labels show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

import numpy as np

from howfar import registry
from howfar.arrays import Float64Array
from howfar.data import Dataset, DatasetArgument
from howfar.data.folder import EXTENSIONS
from howfar.errors import InputError, StoreError
from howfar.keywords import CertifyOptions
from howfar.metrics.threshold_counts import as_tolerance
from howfar.pipeline.reference_profile import Profile
from howfar.results import Evaluation, Provenance
from howfar.results.certificate import Certificate, CertifiedSite
from howfar.results.run_files import page_folder
from howfar.sampling.design import as_shares
from howfar.settings import checked, with_options
from howfar.studies.certification.estimates import (
    FALSE_ALARMS,
    SHORT,
    VALUES,
    Question,
    SampleMeasures,
    look,
    marked,
    measure_of,
    parse_until,
    sample_of,
)
from howfar.studies.certification.labels import MASKS, expected_parts, foregrounds, mask_files, take_labels
from howfar.studies.certification.listed_answers import OPTIONS, refuse_idle_options
from howfar.studies.certification.listed_certificate import LABEL_FILES, certify_listed
from howfar.studies.certification.sample import (
    MAPS,
    ORDER,
    Asked,
    Begun,
    begin,
    design_of,
    drawn_sample,
    go_on,
    images_of,
    made_by,
    recorded,
    tolerance_of,
)
from howfar.studies.evaluation.learnt_images import Seen
from howfar.studies.evaluation.segmentation import choose
from howfar.studies.run_folder import draw as draw_page

if TYPE_CHECKING:
    from howfar.pipeline.prediction import ModelArgument


TABLE: Final = "chosen.csv"
FILES: Final = (
    TABLE, "chosen.txt", "contact_sheet.png", "coco.json", "cvat.xml", "label_studio.json", "label_studio.xml", "labels.csv",
    "classes.csv", "first-maps.csv",
)  # fmt: skip
"""What is handed out to be labelled, and replaced where a sample is drawn or grows."""
_OURS: Final = "image,rank,predicted,stratum,"
"""How the table of a sample begins; that of a selection begins otherwise."""


def check_replaced(folder: Path | None, earlier: Certificate | None, k: int | None, labels: Any) -> None:
    """Refuse a folder in which drawing a sample, or a larger one, would replace files of others or the given labels.

    A folder that holds a sample's table and no certificate is that of a run that was stopped: it goes on.
    """
    if folder is None or (earlier is not None and (k is None or k <= len(earlier))):
        return
    there = [name for name in FILES if (folder / name).exists()]
    if there and earlier is None and not _begins_as_ours(folder / TABLE):
        rule = f"must be a folder without {there[0]}, or that of an earlier sample"
        raise InputError.of("out", rule, str(folder), "choose another folder")
    given: Sequence[Any] = [labels] if isinstance(labels, (str, Path)) else []
    for path in given:
        name = next((name for name in there if Path(path).exists() and (folder / name).samefile(path)), None)
        if name is not None and name != "labels.csv":  # in which what somebody filled in stays
            rule = "must not be a file that drawing replaces"
            raise InputError.of("labels", rule, str(path), "save the export under another name")


def _begins_as_ours(table: Path) -> bool:
    try:
        with table.open(encoding="utf-8", errors="replace") as file:
            return file.read(len(_OURS)) == _OURS
    except OSError:
        return False


_USED = ("level", "until", "seed", "progress")


def is_values(site: Any) -> bool:
    """Return whether a site is given as predicted performance in memory: an array, or a sequence of numbers.

    Examples
    --------
    >>> is_values([0.5, None]), is_values(np.zeros(3)), is_values("roads")
    (True, True, False)
    """
    if isinstance(site, np.ndarray):
        return True
    if isinstance(site, (str, bytes)) or not isinstance(site, Sequence):
        return hasattr(site, "__array__") and not hasattr(site, "rows")
    return bool(len(site)) and all(value is None or isinstance(value, Real) for value in site)


def certify_values(
    predicted: Any, k: int | None, labels: Any, beside: Mapping[str, Any], given: Mapping[str, Any]
) -> Certificate:
    """Certify the mean of values in memory; `howfar.certify` says what its arguments mean.

    Raises `InputError` for an argument that is of use only to images, values outside [0, 1], or more labels than were drawn.
    """
    idle = {name: value for name, value in {**beside, **_others(given)}.items() if value is not None}
    for name, value in idle.items():
        raise InputError.of(name, "is of use only to a site of images", str(value), "leave it out")
    proxies = as_shares(predicted, "site")
    question = Question(VALUES, given["level"], parse_until(given["until"]))
    sample = drawn_sample(proxies, k, question.goal is not None, given["seed"])
    listed = tuple(None if value != value else float(value) for value in proxies.tolist())
    record = CertifiedSite("", tuple(map(str, range(len(proxies)))), (), (), listed)
    drawn = recorded(sample, record, [""] * len(proxies))
    values = _measured(labels, len(drawn))
    found = look(question, SampleMeasures(values), proxies, sample)
    return Certificate(
        dataset="values",
        metric=VALUES.name,
        words=VALUES.words,
        value=found.last.value,
        low=found.last.low,
        high=found.last.high,
        level=question.level,
        labelled=len(values),
        n=len(proxies),
        anytime=question.goal is not None,
        until=None if question.goal is None else question.goal.text,
        settled=found.last.settled,
        needed=found.needed,
        threshold=None,
        tolerance=0.0,
        proxy="given",
        design=design_of(VALUES, question.goal),
        seed=given["seed"],
        site=record,
        sample=marked(drawn, values),
        steps=found.steps,
        provenance=Provenance.now(),
        notes=found.notes,
    )


def _others(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are of use only to images, where they are not their defaults."""
    defaults: Mapping[str, Any] = checked(CertifyOptions, {})
    return {name: value for name, value in given.items() if name not in _USED and value != defaults[name]}


def _measured(labels: Any, most: int) -> Float64Array:
    if labels is None or (isinstance(labels, (list, tuple, np.ndarray)) and not len(labels)):
        return np.zeros(0)
    values = as_shares(labels, "labels")
    if len(values) > most:
        rule = f"must be one row of at most {most} measured values, in the order of the sample"
        raise InputError.of("labels", rule, values.shape)
    return values


TASKS = tuple(OPTIONS)
FEW = 16
"""Labels below which intervals of ratios of sums are doubted."""


@with_options(CertifyOptions)
def certify(
    site: DatasetArgument | Sequence[float | None],
    predictions: str | Path | None = None,
    k: int | None = None,
    *,
    labels: Any = None,
    profile: str | Path | None = None,
    model: ModelArgument | None = None,
    tuned_on: Evaluation | str | Path | None = None,
    sample: Certificate | str | Path | None = None,
    out: str | Path | None = None,
    **options: Unpack[CertifyOptions],
) -> Certificate:
    """Certify a model's performance on a site by the labels of k images drawn at random, whatever the shift.

    The first call draws images with known chances and hands them out to be labelled; the same call again takes the labels
    back and says what they show. The interval rests on the draw alone (`howfar.sampling`): it supposes nothing of the site or
    of the model, and predicted performance only makes it narrower. Labels count in the order of the draw, so that labelling
    may stop anywhere.

    Parameters
    ----------
    site
        Any dataset of images; or an array, (m,), of predicted performance in [0, 1] of images that are not at hand.
    predictions
        A folder with the model's probability map of each image; with `task` a table of class predictions or a JSON file of
        boxes: as for `howfar.evaluate`.
    k
        How many images to draw; by default 16, or as many as were drawn.
    labels
        Labels of drawn images: a folder of masks named as the images, or a file that COCO, CVAT or Label Studio exported. Masks
        in the folder ``masks`` of `out` are taken too. With a `task`: a CSV table image, label or an export with classes; true
        boxes in JSON or an export with boxes; and what is in ``labels.csv`` or ``labels.json`` of `out`. With an array as
        `site`: (j,) measured performance of the first j images of the sample, nan where an image has none.
    profile
        A profile whose estimators predict the performance of each image; by default the confidence of its own map does.
    model
        The model itself. In place of `predictions` its maps are made in `out`. A checkpoint also says what it learnt from:
        those images, and other tiles of their photographs, are left out of the site.
    tuned_on
        An `Evaluation`, or its file, whose best threshold is taken: the primary dataset's.
    sample
        A certificate, or its file, of another model on the same images, whose sample is taken over.
    out
        A folder that keeps the sample, is given the files for labelling tools, and a report.

    Returns
    -------
    Certificate
        The estimate with its interval, and the sample; before there are labels, the sample alone.

    Raises
    ------
    HowfarError
        A dataset or folder that is missing, images or maps that have changed since the draw, a label that cannot be used, a
        model that learnt from the sample, an option that breaks its rule.

    Examples
    --------
    >>> predicted = np.linspace(0.2, 0.9, 200)
    >>> drawn = certify(predicted, k=16)
    >>> measured = predicted[[one.index for one in drawn.sample]] ** 1.5
    >>> certificate = certify(predicted, k=16, labels=measured)
    >>> bool(certificate.low < np.mean(predicted**1.5) < certificate.high)
    True
    """
    given = checked(CertifyOptions, options)
    if is_values(site):
        beside = {
            "predictions": predictions,
            "profile": profile,
            "model": model,
            "tuned_on": tuned_on,
            "sample": sample,
            "out": out,
        }
        return certify_values(site, k, labels, beside, given)
    _check_paths({"predictions": predictions, "labels": labels, "profile": profile, "out": out}, (str, Path))
    _check_paths({"sample": sample}, (str, Path, Certificate))
    folder = page_folder("out", out, Certificate.COMMAND)
    earlier = _earlier(folder)
    check_replaced(folder, earlier, k, labels)
    over = sample if sample is None or isinstance(sample, Certificate) else Certificate.load(sample)
    before = earlier or over
    given = _of_task(given, options, before)
    if given["task"] != TASKS[0]:
        others = {"labels": labels, "profile": profile, "model": model, "tuned_on": tuned_on}
        beside = {**others, "earlier": earlier, "over": over, "folder": folder}
        return certify_listed(site, predictions, k, beside, given, options, _compared)
    question = _question(given, options, before)
    asked = {"k": k, "profile": profile, "tuned_on": tuned_on, "over": over}
    dataset = images_of(site)
    maps, seen, weights = _maps(dataset, predictions, model, folder, given)
    begun = _begun(dataset, maps, seen, asked, question, given, options, earlier)
    begun = replace(begun, notes=(*begun.notes, *made_by(begun, weights)))
    certificate = _compared(_look(begun, question, _places(labels, folder), folder), earlier)
    if folder is not None:
        if earlier is None or len(earlier) < len(certificate):
            # The sample is kept last: a run that is killed before leaves none, and draws the same again.
            shapes = foregrounds(begun)
            remarks = registry.load("reports", "to_label")(certificate, shapes, folder)
            certificate = replace(certificate, notes=(*certificate.notes, *remarks))
        certificate.save(folder)
        draw_page(certificate, folder)
    return certificate


def _earlier(folder: Path | None) -> Certificate | None:
    """Read the certificate in a folder, None where there is none.

    Raises `StoreError` where it is damaged: the line says which labels are there all the same, and how to go on with them.
    """
    if folder is None or not (folder / Certificate.DOCUMENT).is_file():
        return None
    try:
        return Certificate.load(folder)
    except StoreError as error:
        what = str(error).removesuffix(f": run {Certificate.COMMAND} again")
        masks = sum(file.suffix.lower() in EXTENSIONS for file in (folder / MASKS).rglob("*"))
        kept = [f"{folder / MASKS} ({masks} {'file' if masks == 1 else 'files'})"] if masks else []
        kept += [str(folder / name) for name in LABEL_FILES.values() if (folder / name).is_file()]
        labels = f"the labels in {' and '.join(kept)} are kept" if kept else "no labels are in its folder"
        on = "move certificate.json away and run the same command again: it draws the same images, and takes their labels"
        raise StoreError(f"{what}: {labels}; {on}") from error


def _of_task(given: CertifyOptions, written: CertifyOptions, before: Certificate | None) -> CertifyOptions:
    """Return the options with their task, which is as when the sample was drawn where it is not said.

    Raises `InputError` for a task that there is none of, and for what a segmentation has no use for.
    """
    if written.get("task") is None and before is not None:
        given = {**given, "task": before.task}
    if given["task"] not in TASKS:
        raise InputError.of("task", f"must be one of {', '.join(TASKS)}", given["task"])
    if given["task"] != TASKS[0]:
        return given
    if before is not None and before.task != TASKS[0]:
        raise InputError.of("task", f"must be what it was when the sample was drawn ({before.task})", TASKS[0])
    refuse_idle_options(TASKS[0], given)
    return given


def _check_paths(arguments: Mapping[str, Any], kinds: tuple[type, ...]) -> None:
    """Refuse what is no path, before anything is read."""
    for name, value in arguments.items():
        if value is not None and not isinstance(value, kinds):
            raise InputError.of(name, "must be the path of a file or folder", type(value).__name__)


def _question(given: Mapping[str, Any], written: Mapping[str, Any], earlier: Certificate | None) -> Question:
    """Read what is to be certified; what is not said is as when the sample was drawn."""
    now: dict[str, Any] = {name: given[name] for name in ("metric", "until", "level")}
    if earlier is not None:
        before = {"metric": earlier.metric, "until": earlier.until, "level": earlier.level}
        now |= {name: value for name, value in before.items() if written.get(name) is None}
    measure = measure_of(now["metric"], as_tolerance(tolerance_of(given, written, earlier)))
    goal = parse_until(now["until"], measure.name, SHORT.get(measure.name, measure.name))
    if goal is not None and measure.kind != "mean":
        remedy = "certify mean_f, mean_iou, mean_precision, mean_recall or ois, or leave it out"
        raise InputError.of("until", "can be asked of a mean over images only", measure.name, remedy)
    if goal is not None and given["group"] is not None:
        raise InputError.of("group", "is of no use where one looks after each label", given["group"], "leave it out")
    return Question(measure, now["level"], goal)


def _begun(
    dataset: Dataset,
    maps: str | Path,
    seen: Seen,
    asked: Mapping[str, Any],
    question: Question,
    given: Mapping[str, Any],
    written: Mapping[str, Any],
    earlier: Certificate | None,
) -> Begun:
    """Draw a sample, or go on with an earlier one."""
    cut = choose(given["threshold"], asked["tuned_on"])
    threshold = None if cut is None else cut.threshold
    profile = None if asked["profile"] is None or earlier is not None else Profile.load(asked["profile"])
    draw = Asked(maps, asked["k"], profile, threshold, question.measure, question.goal, given, written)
    if earlier is not None:
        return go_on(dataset, draw, seen, earlier)
    return begin(dataset, draw, seen, asked["over"])


def _maps(
    dataset: Dataset, predictions: str | Path | None, model: ModelArgument | None, folder: Path | None, given: Mapping[str, Any]
) -> tuple[str | Path, Seen, str | None]:
    """Return the folder of maps, which a model writes where none is given, what it has seen of the site, and its weights.

    The weights are those of a checkpoint, as a hash; "" for another network, None where no model is given.
    """
    if model is None:
        if predictions is None:
            raise InputError.of("predictions", "must be given, or a model", None, "pass one (--predictions DIR, --model CKPT)")
        return predictions, Seen(), None
    from howfar.pipeline.prediction import Model, load_model, predict

    loaded = model if isinstance(model, Model) else load_model(model)
    seen = Seen() if loaded.card is None else Seen.of(dataset, loaded.card, group=given["group"])
    weights = "" if loaded.card is None else loaded.card.weights
    if predictions is not None:
        return predictions, seen, weights
    if folder is None:
        raise InputError.of("out", "must be given where a model makes the maps", None, "pass a folder, or predictions")
    predict(loaded, seen.unseen(dataset), folder / MAPS, progress=given["progress"])
    return folder / MAPS, seen, weights


def _compared(certificate: Certificate, earlier: Certificate | None) -> Certificate:
    """Note where labels that counted before are not there now."""
    lost = 0 if earlier is None else earlier.labelled - certificate.labelled
    if lost <= 0:
        return certificate
    what = "1 label that counted before is" if lost == 1 else f"{lost} labels that counted before are"
    return replace(certificate, notes=(*certificate.notes, f"{what} not there now: pass the same labels again"))


def _doubts(question: Question, labelled: int, population: int) -> tuple[str, ...]:
    """Say where an interval is known to hold less often than it states."""
    if question.measure.kind == "mean" or not 0 < labelled < min(FEW, population):
        return ()
    return (
        f"a few images with many false pixels rule a ratio of sums, and fewer than {FEW} labels may miss them: by 8 labels a "
        "90 % interval held in 80 % of the samples of one of five crack datasets",
    )


def _undefined(question: Question, labelled: int, value: float | None) -> tuple[str, ...]:
    """Say why there is no value though there are labels."""
    if not labelled or value is not None:
        return ()
    name = question.measure.name
    if name.startswith("false_positive"):
        return (f"{name} is not defined in any of the {labelled} labelled images, which all hold foreground: certify mean_f",)
    remedy = "label more of the sample"
    if question.measure.kind == "mean":
        remedy += (
            f", or, where none has foreground, certify how often some is predicted (--metric {FALSE_ALARMS}, the same labels)"
        )
    return (f"{name} is not defined in any of the {labelled} labelled images (of F: their masks are blank): {remedy}",)


def _places(labels: Any, folder: Path | None) -> list[str | Path]:
    """List where labels are looked for: what was given, then the masks in the folder."""
    places = [] if labels is None else [labels]
    return [*places, folder / MASKS] if folder is not None and mask_files(folder / MASKS) else places


def _look(begun: Begun, question: Question, places: Sequence[str | Path], folder: Path | None) -> Certificate:
    """Take the labels and make the certificate of what they show."""
    taken = take_labels(begun, places, None if folder is None else folder / MASKS)
    measured = SampleMeasures(np.zeros(0)) if taken.counts is None else question.measure.measured(taken.counts, begun.threshold)
    expected = None if measured.parts is None else expected_parts(begun, question.measure)
    proxies = np.array(begun.record.proxies, dtype=np.float64)
    found = look(question, measured, proxies, sample_of(begun.drawn), expected)
    return Certificate(
        dataset=begun.dataset.name,
        metric=question.measure.name,
        words=question.measure.words.format(threshold=begun.threshold),
        value=found.last.value,
        low=found.last.low,
        high=found.last.high,
        level=question.level,
        labelled=len(taken),
        n=len(begun.record.images),
        anytime=begun.design == ORDER,
        until=None if question.goal is None else question.goal.text,
        settled=found.last.settled,
        needed=found.needed,
        threshold=begun.threshold,
        tolerance=begun.tolerance,
        proxy=begun.proxy,
        design=begun.design,
        seed=begun.seed,
        site=begun.record,
        sample=marked(begun.drawn, found.values),
        steps=found.steps,
        provenance=Provenance.now(),
        notes=(
            *begun.notes,
            *taken.notes,
            *found.notes,
            *_undefined(question, len(taken), found.last.value),
            *_doubts(question, len(taken), len(begun.record.images)),
        ),
    )
