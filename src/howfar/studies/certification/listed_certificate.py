"""Certify a classifier, a detector or a segmenter of classes on a site by the labels of a few random images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from howfar import registry
from howfar.arrays import Float64Array
from howfar.data import Dataset, DatasetArgument, Item, content_hash, read_bytes
from howfar.data.dataset import entries_of
from howfar.data.folder import path_text
from howfar.data.photographs import photographs_of
from howfar.errors import ImageError, InputError
from howfar.io.location import absolute
from howfar.pipeline.reference_profile import Profile
from howfar.results import Provenance
from howfar.results.certificate import Certificate, CertifiedSite, SampledImage
from howfar.studies.certification.estimates import SHORT, Question, SampleMeasures, look, marked, parse_until, sample_of
from howfar.studies.certification.labels import in_order, mask_files
from howfar.studies.certification.listed_answers import Answers, BoxAnswers, ListedAnswer, answers_of
from howfar.studies.certification.sample import (
    ORDER,
    Asked,
    added_note,
    by_profile,
    changed,
    check_design,
    check_same_images,
    check_same_options,
    check_whole,
    design_of,
    drawn_sample,
    extended,
    images_of,
    recorded,
)
from howfar.studies.evaluation.map_scores import Fault, read_all, settle, with_bar
from howfar.studies.run_folder import draw as draw_page


@dataclass(frozen=True, eq=False)
class ListedSite:
    """Hold the images of a site that have an answer, their answers by name, what is recorded, and what predicted it."""

    dataset: Dataset
    answers: Mapping[str, ListedAnswer]
    record: CertifiedSite
    proxy: str = ""

    @property
    def proxies(self) -> Float64Array:
        """Return the predicted performance, (m,), nan where there is none."""
        return np.array(self.record.proxies, dtype=np.float64)


def read_listed(
    dataset: Dataset, answers: Answers, file: Path, given: Mapping[str, Any], profile: Profile | None = None
) -> ListedSite:
    """Read every image, and match it with the model's answer.

    Parameters
    ----------
    dataset
        The site's images.
    answers, file
        What a model says of them, and the file that it was read from.
    given
        The checked options of `howfar.certify`.
    profile
        A profile whose estimators predict; without one the confidence of the answers does.

    Raises
    ------
    HowfarError
        Images that cannot be read or have no answer, and may not be left out; a profile without estimators.
    """
    entries = entries_of(dataset, "row", file, list(answers.entries))
    reason = f"no prediction (none in {path_text(file)})"
    missing = [
        Fault(item.name, path_text(item.path), reason, missing=True)
        for item in dataset.items
        if answers.entries.get(entries.get(item.name, "")) is None
    ]
    contents, faults = read_all(
        dataset, missing, lambda items: with_bar(_content, items, given["progress"], "images"), given["partial"]
    )
    skipped = settle(faults, dataset, given["partial"])
    left_out = {fault.image for fault in faults}
    items = tuple(item for item in dataset.items if item.name not in left_out)
    found = {item.name: answer for item in items if (answer := answers.entries[entries[item.name]]) is not None}
    names, kept = [item.name for item in items], replace(dataset, items=items, skipped=(*dataset.skipped, *skipped))
    confidence, words = [found[name].confidence for name in names], answers.proxy
    if profile is not None:
        predicted, words = by_profile(kept, profile, file, given)
        confidence = predicted.tolist()
    record = CertifiedSite(
        source="" if dataset.root is None else path_text(dataset.root),
        images=tuple(names),
        contents=tuple(contents),
        predictions=tuple(content_hash(found[name].text.encode()) for name in names),
        proxies=tuple(None if value != value else float(value) for value in confidence),
        groups=() if given["group"] is None else tuple(photographs_of(names, given["group"])),
    )
    return ListedSite(kept, found, record, words)


def check_same(dataset: Dataset, answers: Answers, file: Path, earlier: Certificate) -> ListedSite:
    """Return the recorded images of a certificate's site, which must be as they were when the sample was drawn.

    Raises `InputError` in one line where an image or the model's answer on it is gone or has changed.
    """
    entries, recorded = entries_of(dataset, "row", file, list(answers.entries)), earlier.site
    items = {item.name: item for item in dataset.items}
    found = {}
    for name, content, prediction in zip(recorded.images, recorded.contents, recorded.predictions, strict=True):
        answer = answers.entries.get(entries.get(name, ""))
        if name not in items or answer is None:
            what = "its prediction" if name in items else "it"
            raise changed(f"{name} was there when the sample was drawn, and {what} is not")
        if _content(items[name]) != content:
            raise changed(f"the image {name} is another than when the sample was drawn")
        if content_hash(answer.text.encode()) != prediction:
            raise changed(f"the prediction of {name} is another than when the sample was drawn")
        found[name] = answer
    return ListedSite(replace(dataset, items=tuple(items[name] for name in recorded.images)), found, recorded, earlier.proxy)


def _content(item: Item) -> str | Fault:
    try:
        return content_hash(read_bytes(item.path))
    except ImageError as error:
        return Fault(item.name, path_text(item.path), f"the image {path_text(item.path)}: {error}")


LABEL_FILES = {"classification": "labels.csv", "detection": "labels.json"}
"""The file in `out` that labels are looked for in, by task."""
MASKS = "masks"
"""The folder in `out` that masks of classes are looked for in."""
_IDLE = ("foreground", "threshold", "tolerance", "ensemble")


@dataclass(frozen=True, eq=False)
class _Begun:
    """Hold a sample with the site that it was drawn from, and how it was drawn."""

    site: ListedSite
    drawn: tuple[SampledImage, ...]
    seed: int
    design: str
    notes: tuple[str, ...] = ()


def certify_listed(
    site: DatasetArgument,
    predictions: str | Path | None,
    k: int | None,
    beside: Mapping[str, Any],
    given: Mapping[str, Any],
    written: Mapping[str, Any],
    compared: Callable[[Certificate, Certificate | None], Certificate],
) -> Certificate:
    """Certify a classifier or a detector; `howfar.certify` says what its arguments mean.

    `beside` holds its other arguments and the certificates of `out` and `sample` (`earlier`, `over`), `given` its options, and
    `written` those that were given. `compared` notes where labels that counted before are not there now.

    Raises
    ------
    HowfarError
        As `howfar.certify`.
    """
    earlier, over, folder = beside["earlier"], beside["over"], beside["folder"]
    _refuse_idle(beside, given, written)
    if predictions is None:
        raise InputError.of("predictions", "must be given", None, "pass the file of predictions (--predictions FILE)")
    before = earlier or over
    iou, least = (
        getattr(before, name) if before is not None and written.get(name) is None else given[name]
        for name in ("iou", "min_score")
    )
    dataset, file = images_of(site), absolute(predictions)
    answers = answers_of(given["task"], dataset, predictions, {**given, "iou": iou, "min_score": least})
    question = _question(answers, given, written, before)
    profile = None if beside["profile"] is None or earlier is not None else Profile.load(beside["profile"])
    asked = Asked(predictions, k, profile, None, question.measure, question.goal, given, written)
    begun = (
        _go_on(dataset, answers, file, asked, earlier) if earlier is not None else _begin(dataset, answers, file, asked, over)
    )
    made = compared(
        replace(_look(begun, answers, question, _places(beside["labels"], folder, answers.task)), iou=iou, min_score=least),
        earlier,
    )
    if folder is None:
        return made
    if earlier is None or len(earlier) < len(made):
        drawn = {one.image: begun.site.answers[one.image] for one in made.sample}
        values = {name: answers.boxes(one) if isinstance(answers, BoxAnswers) else one.value for name, one in drawn.items()}
        remarks = registry.load("reports", f"to_label_{answers.task}")(made, values, answers.classes, folder)
        made = replace(made, notes=(*made.notes, *remarks))
    made.save(folder)
    draw_page(made, folder)
    return made


def _refuse_idle(beside: Mapping[str, Any], given: Mapping[str, Any], written: Mapping[str, Any]) -> None:
    task = given["task"]
    idle = {name: beside[name] for name in ("model", "tuned_on")} | {name: written.get(name) for name in _IDLE}
    for name, value in idle.items():
        if value:
            raise InputError.of(name, f"is of no use to {task}", str(value), "leave it out")
    for name in ("flipped", "estimator"):
        if written.get(name) and beside["profile"] is None:
            rule = "is of use only to a profile's estimators"
            raise InputError.of(name, rule, str(written[name]), "pass --profile FILE, or leave it out")
    for drawn in (beside["earlier"], beside["over"]):
        if drawn is not None and drawn.task != task:
            raise InputError.of("task", f"must be what it was when the sample was drawn ({drawn.task})", task)


def _question(answers: Answers, given: Mapping[str, Any], written: Mapping[str, Any], before: Certificate | None) -> Question:
    """Read what is to be certified; what is not said is as when the sample was drawn."""
    now: dict[str, Any] = {name: given[name] for name in ("metric", "until", "level")}
    if before is not None:
        kept = {"metric": before.metric, "until": before.until, "level": before.level}
        now |= {name: value for name, value in kept.items() if written.get(name) is None}
    measure = answers.measure(now["metric"])
    goal = parse_until(now["until"], measure.name, SHORT.get(measure.name, measure.name))
    if goal is not None and measure.kind != "mean":
        raise InputError.of(
            "until", "can be asked of a mean over images only", measure.name, "certify mean_f1, or leave it out"
        )
    if goal is not None and given["group"] is not None:
        raise InputError.of("group", "is of no use where one looks after each label", given["group"], "leave it out")
    return Question(measure, now["level"], goal)


def _begin(dataset: Dataset, answers: Answers, file: Path, asked: Asked, over: Certificate | None) -> _Begun:
    """Draw a sample of a site, or take over that of another model's certificate on the same images."""
    if over is not None:
        check_whole(over)
        check_design(asked, over)
    site = read_listed(dataset, answers, file, asked.given, asked.profile)
    notes = tuple(_left_out(site.dataset))
    if over is not None:
        check_same_images(site.record, over)
        drawn = tuple(
            replace(one, proxy=site.record.proxies[one.index], performance=None, labelled=False) for one in over.sample
        )
        return _Begun(site, drawn, over.seed, over.design, notes)
    sizes, seed = _sizes(site, answers, asked), asked.given["seed"]
    sample = drawn_sample(site.proxies, asked.k, asked.goal is not None, seed, site.record.groups, sizes)
    paths = [path_text(item.path) for item in site.dataset.items]
    return _Begun(site, recorded(sample, site.record, paths), seed, design_of(asked.measure, asked.goal), notes)


def _go_on(dataset: Dataset, answers: Answers, file: Path, asked: Asked, earlier: Certificate) -> _Begun:
    """Go on with the sample of a certificate that was begun."""
    check_whole(earlier)
    check_same_options(asked, earlier)
    check_design(asked, earlier)
    site = check_same(dataset, answers, file, earlier)
    paths = [path_text(item.path) for item in site.dataset.items]
    return _Begun(site, extended(earlier, asked.k, paths), earlier.seed, earlier.design, added_note(dataset, earlier))


def _sizes(site: ListedSite, answers: Answers, asked: Asked) -> Float64Array | None:
    """Return the expected size of each image in a ratio of sums, (m,); None for a mean over images."""
    parts = answers.expected(asked.measure, list(site.answers.values()))
    if parts is None:
        return None
    return parts[1][:, 0] if parts[1].any() else np.ones(len(parts[1]))


def _places(labels: Any, folder: Path | None, task: str) -> list[str | Path]:
    """List where labels are looked for: what was given, then the file in the folder."""
    places = [] if labels is None else [labels]
    if folder is not None and task not in LABEL_FILES:
        return [*places, folder / MASKS] if mask_files(folder / MASKS) else places
    own = None if folder is None else folder / LABEL_FILES[task]
    return [*places, own] if own is not None and own.is_file() else places


def _look(begun: _Begun, answers: Answers, question: Question, places: list[str | Path]) -> Certificate:
    """Take the labels and make the certificate of what they show."""
    labels: dict[str, Any] = {}
    notes = list(begun.notes)
    for place in places:
        read, remarks = answers.read_labels(begun.site.dataset, place, begun.site.answers)
        labels = {**read, **labels}
        notes += remarks
    counting, remarks = in_order([one.image for one in begun.drawn], labels)
    known = [(name, begun.site.answers[name], labels[name]) for name in counting]
    measured = answers.measured(question.measure, known) if known else SampleMeasures(np.zeros(0))
    expected = answers.expected(question.measure, list(begun.site.answers.values()))
    found = look(question, measured, begun.site.proxies, sample_of(begun.drawn), expected)
    return Certificate(
        dataset=begun.site.dataset.name,
        metric=question.measure.name,
        words=question.measure.words,
        value=found.last.value,
        low=found.last.low,
        high=found.last.high,
        level=question.level,
        labelled=len(known),
        n=len(begun.site.record.images),
        anytime=begun.design == ORDER,
        until=None if question.goal is None else question.goal.text,
        settled=found.last.settled,
        needed=found.needed,
        threshold=None,
        tolerance=0.0,
        proxy=begun.site.proxy,
        design=begun.design,
        seed=begun.seed,
        site=begun.site.record,
        sample=marked(begun.drawn, found.values),
        steps=found.steps,
        provenance=Provenance.now(),
        notes=(*notes, *remarks, *found.notes),
        task=answers.task,
    )


def _left_out(dataset: Dataset) -> list[str]:
    if not dataset.skipped:
        return []
    count, first = len(dataset.skipped), dataset.skipped[0]
    what = "1 image or file is" if count == 1 else f"{count} images or files are"
    return [f"{what} no part of the site, the first {first.path}: {first.reason}"]
