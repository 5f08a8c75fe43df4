"""Certify a model on a site (`howfar certify`): draw random images, export them for labelling, compute score and interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Unpack

import numpy as np
from numpy.typing import ArrayLike

from howfar import registry
from howfar.data import Dataset, DatasetArgument
from howfar.data.image_and_mask_folders import path_text, walk
from howfar.data.image_formats import image_endings
from howfar.data.name_matching import examples
from howfar.errors import InputError, StoreError
from howfar.io.atomic_writes import replace as replace_file
from howfar.option_checks_and_signatures import checked, with_options
from howfar.options_by_function import CertifyOptions
from howfar.pipeline.profile_file import Profile
from howfar.results import Evaluation, Provenance
from howfar.results.certificate_result import Certificate, CertifiedSite, SampledImage
from howfar.results.checksums_and_overwrite_guard import page_folder
from howfar.results.display_and_shared_records import Cells
from howfar.sampling import labels_for, plan_zone, zone_share
from howfar.sampling.design import as_shares
from howfar.studies.certification import certified_quantity as quantity
from howfar.studies.certification import sample as drawing
from howfar.studies.certification.certified_quantity import Looks, Question
from howfar.studies.evaluate_predictions import Seen
from howfar.studies.run_report import draw as draw_page
from howfar.tasks.segmentation_task import FALLBACK, choose
from howfar.tasks.task import SampleMeasures, Task, label_count
from howfar.tasks.tasks_and_own_options import TASKS, own_options

if TYPE_CHECKING:
    from howfar.pipeline.prediction import ModelArgument


TABLE: Final = "chosen.csv"
ZONE_FILE: Final = "zone.txt"
FILES: Final = (
    TABLE, "chosen.txt", "contact_sheet.png", "coco.json", "cvat.xml", "label_studio.json", "label_studio.xml", "labels.csv",
    "classes.csv", "first-maps.csv",
)  # fmt: skip
"""What is handed out to be labelled, and replaced where a sample is drawn or grows."""
_OURS: Final = b"image,rank,predicted,stratum,"
"""How the table of a sample begins; that of a selection begins otherwise."""


def _is_values(site: Any) -> bool:
    """Return whether a site is given as in-memory performance values: an array or a sequence of numbers."""
    if isinstance(site, np.ndarray):
        return True
    if isinstance(site, (str, bytes)) or not isinstance(site, Sequence):
        return hasattr(site, "__array__") and not hasattr(site, "rows")
    return bool(len(site)) and all(value is None or isinstance(value, Real) for value in site)


def _certify_values(
    predicted: Any, k: int | None, labels: Any, arguments: Mapping[str, Any], given: Mapping[str, Any]
) -> Certificate:
    """Certify the mean of in-memory values; `howfar.certify` documents the arguments."""
    defaults: Mapping[str, Any] = checked(CertifyOptions, {})
    used = ("level", "until", "seed", "progress", "zone", "at_least", "wrong")
    idle = {**arguments, **{name: value for name, value in given.items() if name not in used and value != defaults[name]}}
    for name, value in idle.items():
        if value is not None:
            raise InputError.of(name, "is of use only to a site of images", str(value), "leave it out")
    proxies = as_shares(predicted, "site")
    question = Question(quantity.VALUES, given["level"], *quantity.parse_until(given["until"]), quantity.zone_asked(given))
    listed = tuple(None if value != value else float(value) for value in proxies.tolist())
    record = CertifiedSite("", tuple(map(str, range(len(proxies)))), (), (), listed)
    seed = given["seed"] or 0
    drawn, zone = drawing.draw_sample(question, record, k, seed)
    none = labels is None or (isinstance(labels, (list, tuple, np.ndarray)) and not len(labels))
    values = np.zeros(0) if none else as_shares(labels, "labels")
    if len(values) > len(drawn):
        rule = f"must be one row of at most {len(drawn)} measured values, in the order of the sample"
        raise InputError.of("labels", rule, values.shape)
    found = quantity.look(question, SampleMeasures(values), drawn, proxies, zone)
    words = quantity.VALUES.words if question.zone is None else question.words("performance")
    fields = {"threshold": None, "tolerance": 0.0, "proxy": "given", "design": question.design, "seed": seed}
    fields |= {"dataset": "values", "words": words, "notes": found.notes}
    return _certificate(question, record, drawn, found, [None] * len(values), **fields)


def _certificate(
    question: Question, site: CertifiedSite, sample: Sequence[SampledImage], found: Looks, labels: list[str | None], **more: Any
) -> Certificate:
    """State what labels show; `labels` are the hashes of those that count."""
    labelled = [
        replace(one, labelled=True, performance=None if np.isnan(value) else value, label=label)
        for one, value, label in zip(sample, found.values.tolist(), labels, strict=False)
    ]
    settled = {name: getattr(found.last, name) for name in ("value", "low", "high", "settled")}
    return Certificate(
        metric=question.measure.name,
        level=question.level,
        labelled=len(labels),
        n=len(site.images),
        anytime=more["design"] in (quantity.ORDER, quantity.ZONE, quantity.DIFFER),
        until=question.until,
        needed=found.needed,
        against=None if question.against is None else path_text(question.against),
        site=site,
        sample=(*labelled, *sample[len(labelled) :]),
        steps=found.steps,
        zone=found.zone,
        provenance=Provenance.now(),
        **settled,
        **more,
    )


@with_options(CertifyOptions)
def certify(
    site: DatasetArgument | Sequence[float | None],
    predictions: str | Path | None = None,
    k: int | None = None,
    *,
    labels: Any = None,
    against: str | Path | None = None,
    profile: str | Path | None = None,
    model: ModelArgument | None = None,
    tuned_on: Evaluation | str | Path | None = None,
    sample: Certificate | str | Path | None = None,
    out: str | Path | None = None,
    **options: Unpack[CertifyOptions],
) -> Certificate:
    """Certify a model's performance on a site from the labels of k randomly drawn images, whatever the shift.

    The first call draws images with known chances and hands them out to be labelled; the same call again takes the labels
    back and says what they show. The interval rests on the draw alone (`howfar.sampling`): it supposes nothing of the site or
    of the model, and predicted performance only makes it narrower. Labels count in the order of the draw, so that labelling
    may stop anywhere; before there are labels, the certificate holds the sample alone.

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
    against
        Predictions of a second model, as `predictions`: the value is then the first's mean performance less the second's.
        Labels go where the two differ, and `until` is "decided" by default: which one is better.
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
    given: Mapping[str, Any] = checked(CertifyOptions, options)
    models = {"profile": profile, "model": model, "tuned_on": tuned_on}
    if _is_values(site):
        arguments = {"predictions": predictions, **models, "sample": sample, "out": out}
        return _certify_values(site, k, labels, arguments, given)
    paths = {"predictions": predictions, "labels": labels, "profile": profile, "out": out, "against": against, "sample": sample}
    for name, value in paths.items():
        if value is not None and not isinstance(value, (str, Path, Certificate) if name == "sample" else (str, Path)):
            raise InputError.of(name, "must be the path of a file or folder", type(value).__name__)
    folder = page_folder("out", out, Certificate.COMMAND)
    earlier = _earlier(folder, k, labels)
    over = sample if sample is None or isinstance(sample, Certificate) else Certificate.load(sample)
    given = _of_task(given, options, earlier, over, models)
    cut = choose(given["threshold"], tuned_on)
    loaded = None if profile is None or earlier is not None else Profile.load(profile)
    threshold = None if cut is None else cut.threshold
    at = threshold if earlier is None else earlier.threshold
    if at is None:
        at = FALLBACK if loaded is None or loaded.judge is None else loaded.judge.cut
    task = TASKS[given["task"]].of({**given, "threshold": at})
    if against is None and earlier is not None:
        against = earlier.against
    question = quantity.asked(task.measure(given["metric"]), task.means, given, against)
    dataset = drawing.images_of(site)
    homes = {Path(str(item.path)).parent for item in dataset.items}
    if earlier is None and folder and any(folder.is_relative_to(home) or folder / "images" == home for home in homes):
        # Its pictures would be images of the site, and the site's masks labels.
        raise InputError.of("out", "must lie outside the site", str(folder), "name another folder")
    maps, seen, weights = _maps(dataset, predictions, model, folder, given)
    before = earlier or over
    if before is not None:
        drawing.check_whole(before)
        if before is earlier:
            drawing.check_same_options(options, k, threshold, before)
        drawing.check_question(question, seen, before)
    if earlier is None:
        begun = drawing.begin(dataset, task, question, maps, k, given, seen=seen, profile=loaded, over=over)
    else:
        answers = task.answers(dataset, maps, given["progress"])
        begun = drawing.go_on(answers, task, question, k, earlier, given["progress"])
    begun = replace(begun, notes=(*begun.notes, *drawing.made_by(begun, weights)))
    certificate = _look(begun, task, question, labels, folder)
    lost = 0 if earlier is None else earlier.labelled - certificate.labelled
    if lost > 0:
        what = "1 label that counted before is" if lost == 1 else f"{lost} labels that counted before are"
        certificate = replace(certificate, notes=(*certificate.notes, f"{what} not there now: pass the same labels again"))
    return certificate if folder is None else _written(folder, certificate, task, begun, 0 if earlier is None else len(earlier))


def _written(folder: Path, certificate: Certificate, task: Task, begun: drawing.DrawnSite, handed_out: int) -> Certificate:
    """Write a certificate, its page and, if more images are drawn than were `handed_out`, the files for labelling."""
    if len(certificate) > handed_out:
        # The sample is kept last: a run that is killed before leaves none, and draws the same again.
        first = task.first_labels(begun.answers, [one.image for one in certificate.sample])
        remarks = registry.load("reports", "to_label")(certificate, first, folder)
        certificate = replace(certificate, notes=(*certificate.notes, *remarks))
    certificate.save(folder)
    zone = certificate.zone
    if zone is not None and zone.tests:  # the certified images, best predicted first
        text = "".join(f"{certificate.site.images[place]}\n" for place in zone.ranking[: zone.certified])
        replace_file(folder / ZONE_FILE, lambda part: part.write_text(text, encoding="utf-8"))
    draw_page(certificate, folder)
    return certificate


def _earlier(folder: Path | None, k: int | None, labels: Any) -> Certificate | None:
    """Read the certificate in a folder, None if there is none; the error for a damaged one lists the kept labels.

    Raises `InputError` if drawing a sample would replace someone else's files or the given labels in the folder.
    """
    if folder is None:
        return None
    earlier = None
    try:
        if (folder / Certificate.DOCUMENT).is_file():
            earlier = Certificate.load(folder)
    except StoreError as error:
        what = str(error).removesuffix(f": run {Certificate.COMMAND} again")
        kept = []
        for place in dict.fromkeys(folder / task.label_place for task in TASKS.values()):
            masks = sum(file.suffix.lower() in image_endings() for file in place.rglob("*"))
            if place.is_file() or masks:
                kept.append(f"{place} ({masks} {'file' if masks == 1 else 'files'})" if masks else str(place))
        kept_labels = f"the labels in {' and '.join(kept)} are kept" if kept else "no labels are in its folder"
        on = "move certificate.json away and run the same command again: it draws the same images, and takes their labels"
        raise StoreError(f"{what}: {kept_labels}; {on}") from error
    if earlier is not None and (k is None or k <= len(earlier)):
        return earlier

    there = [name for name in FILES if (folder / name).exists()]
    ours = False  # a sample's table without a certificate is left by a stopped run, which continues
    with suppress(OSError), (folder / TABLE).open("rb") as file:
        ours = file.read(len(_OURS)) == _OURS
    if there and earlier is None and not ours:
        rule = f"must be a folder without {there[0]}, or that of an earlier sample"
        raise InputError.of("out", rule, str(folder), "choose another folder")
    if isinstance(labels, (str, Path)) and Path(labels).exists():
        name = next((name for name in there if (folder / name).samefile(labels)), None)
        if name is not None and name != "labels.csv":  # in which what somebody filled in stays
            rule = "must not be a file that drawing replaces"
            raise InputError.of("labels", rule, str(labels), "save the export under another name")
    return earlier


def _of_task(
    given: Mapping[str, Any],
    written: Mapping[str, Any],
    earlier: Certificate | None,
    over: Certificate | None,
    arguments: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the options, with the task, its settings and the question taken from the drawn sample if they are not given."""
    before, settings = earlier or over, dict(given)
    for name in ("task", "tolerance", "iou", "min_score", "metric", "until", "level"):
        if before is not None and written.get(name) is None:
            settings[name] = getattr(before, name)
    if earlier is not None and earlier.zone is not None:
        for name, value in {"zone": True, "at_least": earlier.zone.at_least, "wrong": earlier.zone.wrong}.items():
            if written.get(name) not in (None, value):
                rule = f"must be what it was when the sample was drawn ({value})"
                raise InputError.of(name, rule, written[name], "leave it out, or draw anew in another --out")
            settings[name] = value
    own_options({**settings, **arguments, "flipped": None})
    for name in ("flipped", "ensemble", "estimator") if arguments["profile"] is None else ():
        if written.get(name):
            rule = "is of use only to a profile's estimators"
            raise InputError.of(name, rule, str(settings[name]), "pass --profile FILE, or leave it out")
    for drawn in (earlier, over):
        if drawn is not None and drawn.task != settings["task"]:
            raise InputError.of("task", f"must be what it was when the sample was drawn ({drawn.task})", settings["task"])
    if earlier is not None:  # the maps of flipped images and of further models mattered to the draw alone
        settings |= {"flipped": None, "ensemble": ()}
    return settings


def _maps(
    dataset: Dataset, predictions: str | Path | None, model: ModelArgument | None, folder: Path | None, given: Mapping[str, Any]
) -> tuple[str | Path, Seen, str | None]:
    """Return the maps (made if a model is given alone), what the model has seen, and its weights' hash ("": no checkpoint)."""
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
    predict(loaded, seen.unseen(dataset), folder / drawing.MAPS, progress=given["progress"])
    return folder / drawing.MAPS, seen, weights


def _look(begun: drawing.DrawnSite, task: Task, question: Question, given: Any, folder: Path | None) -> Certificate:
    """Read the labels and build the certificate from them."""
    site, sample, labels, notes = begun.site, begun.sample, dict[str, Any](), [*begun.notes]
    own = None if folder is None else folder / task.label_place
    places = [] if given is None else [given]
    if own is not None and (own.is_file() or (own.is_dir() and walk(own))):
        places.append(own)
    with TemporaryDirectory() as scratch:
        for number, place in enumerate(places):
            read, remarks = task.read_labels(begun.answers, place, place == own, Path(scratch) / str(number))
            labels |= {name: label for name, label in read.items() if name not in labels}
            notes += remarks
        # Labels count up to the first unlabelled image: whoever skips one chooses, and a chosen sample shows nothing.
        drawn = [one.image for one in sample]
        first_gap = next((position for position, name in enumerate(drawn) if name not in labels), len(drawn))
        counted = {name: labels[name] for name in drawn[:first_gap]}
        strange = [name for name in labels if name not in drawn]
        waiting = [name for name in drawn[first_gap:] if name in labels]
        if strange:
            foreign = f"{label_count(len(strange))} not of drawn images ({examples(strange)})"
            notes.append(f"{foreign}: left out, since they were not drawn")
        if waiting:
            rest = f"{label_count(len(waiting))} after it ({examples(waiting)}): left out until it is labelled too"
            notes.append(f"{drawn[first_gap]} is next in the order of the draw and has no label, and {rest}")
        hashes: list[str | None] = [task.label_hash(label) for label in counted.values()]
        measured = drawing.compared(task, question, begun.answers, begun.others, counted)
    measure = question.measure
    expected = None if measured.parts is None else task.expected(measure, begun.answers)
    found = quantity.look(question, measured, sample, np.array(site.proxies, dtype=np.float64), begun.zone, expected)
    # One label defines the measure, though it gives no interval yet.
    undefined = found.last.value is None and not np.isfinite(measured.values).any()
    notes += [*found.notes, *task.remarks(measure, len(counted), len(site.images), undefined)]
    notes += quantity.group_notes(question, found, sample, site.groups)
    words = question.words(measure.words.format(threshold=task.threshold))
    fields = {"words": words, "threshold": task.threshold, "tolerance": task.tolerance, "task": task.name, **begun.draw}
    fields |= {"dataset": begun.answers.dataset.name, "notes": tuple(notes)}
    return _certificate(question, site, sample, found, hashes, **fields)


WIDTHS: Final = ("±0.1", "±0.05")
MEANS: Final = {*quantity.SHORT, "accuracy"}
PLANNED: Final = (30, 60, 120)
"""Numbers of labels for which the size of a zone is predicted."""


@dataclass(frozen=True)
class PlannedQuestion:
    """Hold a question, and the number of labels with which it is predicted to be answered; None if it stays open."""

    question: str
    labels: int | None
    answer: str = ""


@dataclass(frozen=True)
class LabelPlan:
    """Hold what a site's questions are predicted to cost."""

    dataset: str
    n: int
    proxy: str
    rows: tuple[PlannedQuestion, ...]

    def caption(self) -> str:
        """State in one line where the numbers come from."""
        return f"{self.dataset}: labels that {self.n:,} images are predicted to need, by {self.proxy}"

    def table(self) -> Cells:
        """Return header and formatted cells, one row per question."""
        rows: list[tuple[str, ...]] = [
            (row.question, "more than there are" if row.labels is None else str(row.labels), row.answer) for row in self.rows
        ]
        return ("question", "labels", "predicted answer"), rows

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return asdict(self)


def plan_labels(
    site: DatasetArgument,
    predictions: str | Path | None = None,
    *,
    profile: str | Path | None = None,
    **options: Unpack[CertifyOptions],
) -> LabelPlan:
    """Predict how many labels `howfar.certify` needs for its questions: ±0.1, ±0.05, that of `until`, and a zone.

    Arguments are those of `howfar.certify`; nothing is written. Performance is simulated about its predictions with errors as
    measured on four fields (`howfar.sampling.labels_for`), so that a plan is a guess.
    """
    rules = {"against": "is of use to one model", "labels": "is made before any image is labelled", "sample": "draws no sample"}
    for other, rule in rules.items():
        if options.get(other) is not None:
            raise InputError.of("plan", rule, other, "leave one of them out")
    drawn = certify(site, predictions, profile=profile, **options)
    if drawn.metric not in MEANS and drawn.metric != quantity.VALUES.name:
        raise InputError.of("metric", "must be a mean over images to be planned for", drawn.metric, "leave --plan out")
    proxies, level, seed = np.array(drawn.site.proxies, dtype=np.float64), drawn.level, drawn.seed
    zone, rows = drawn.zone, []
    decisions: ArrayLike | None = 1 if drawn.task == "classification" else None
    if drawn.task == "detection" and predictions is not None:
        # Each image has as many as it has boxes.
        least = float("-inf") if drawn.min_score is None else drawn.min_score
        boxes = TASKS[drawn.task].of(options).answers(drawing.images_of(site), predictions).by_image
        decisions = [max(1, sum(score >= least for score in boxes[name].value["scores"])) for name in drawn.site.images]
    if zone is None:
        for text in dict.fromkeys((*WIDTHS, drawn.until or WIDTHS[0])):
            labels = labels_for(proxies, text, level=level, decisions=decisions, seed=seed)
            rows.append(PlannedQuestion(f"{drawn.words} to {text}" if text.startswith("±") else text, labels))
    else:
        for k in sorted({min(k, drawn.n) for k in PLANNED}):
            share = 0.0
            with suppress(InputError):  # too few for any zone
                plan = plan_zone(proxies, k, at_least=zone.at_least, wrong=zone.wrong, level=level, seed=seed)
                share = zone_share(proxies, plan, decisions=decisions, seed=seed)
            rows.append(PlannedQuestion(drawn.words, k, f"{100 * share:.0f} % of the site"))
    return LabelPlan(drawn.dataset, drawn.n, drawn.proxy, tuple(rows))
