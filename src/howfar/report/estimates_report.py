"""Write the report's sections on performance estimated without labels: each site's answer, and the estimators' errors."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from markupsafe import Markup

from howfar.formatting_and_escaping import percentage_of, share
from howfar.relation.performance_estimators import sentence_of
from howfar.relation.site_judge import CONSENSUS
from howfar.relation.site_judge import DISTANCE as FIXED_DISTANCE
from howfar.report import section as doc
from howfar.report.page import SECTION, SectionKind
from howfar.report.performance_report import dataset_cells
from howfar.results import Choice, Comparison, Judgement, Relation, SetEstimate
from howfar.results.assessment_result import Assessment, SiteAnswer, gate_word

PROBABLY: Final = "images on the list of probable failures, made without labels; none if no image is listed; ( ) if doubted"
ALL_ERRORS: Final = "The estimator in use, the best, and “mean” (the others' average). relation.json has all, as set_errors."


def sites(assessment: Assessment) -> doc.Table:
    """Build the table of numbers behind the answers, one row per site."""
    places, name = {site.dataset: place for place, site in enumerate(assessment.sites)}, assessment.performance_name
    levels = {f"{100 * site.level:.0f} %" for site in assessment.sites}
    expected = f"{name} expected without the site's own labels, a mean over its images; in round brackets outside the gate"
    known = (
        "whether labelled datasets like the site are known; outside, no estimate can be trusted. Its distances are measured "
        "in the subspace of the primary alone"
    )

    def blank(site: SiteAnswer) -> bool:
        return site.false_positive_share is not None

    def estimate(site: SiteAnswer) -> doc.Cell:
        cell = doc.estimated(site.estimate, site.low, site.high)
        return doc.Cell("undefined") if blank(site) else replace(cell, text=site.expected())

    def measured(site: SiteAnswer) -> doc.Cell:
        return doc.Cell("no foreground") if blank(site) else doc.decimal(site.measured, 2)

    def failing(site: SiteAnswer) -> doc.Cell:
        if site.listed is None or blank(site):
            return doc.UNDEFINED
        text = f"{site.listed} of {site.n}" if site.listed else "none"
        return doc.Cell(f"({text})" if site.inside is False else text, site.listed_share)

    return doc.tabulate(
        assessment.ordered(),
        ("site", "", lambda site: doc.name_cell(site.dataset, places[site.dataset])),
        ("gate", known, lambda site: doc.Cell(gate_word(site.inside), strong=site.inside is False)),
        (f"expected {name} [{' or '.join(sorted(levels))}]", expected, estimate),
        ("measured", f"{name} by the site's own labels, where it has some", measured),
        ("listed as failing", PROBABLY, failing),
        ("images", "", lambda site: doc.count(site.n)),
    )


def _answers(assessment: Assessment, *, labelled: bool) -> Iterator[doc.Text]:
    """Yield the answers about labelled or unlabelled sites in reading order, warnings first; each command stands once."""
    places, said = {site.dataset: place for place, site in enumerate(assessment.sites)}, set[str]()
    dot = Markup('<span class="dot" style="background:{}"></span><strong>{}</strong>: {}')
    step, command = Markup("<br>\n<strong>Next:</strong> {}"), Markup('<br><code class="command">{}</code>')
    for site in assessment.ordered():
        if labelled is (site.measured is not None):
            text = dot.format(
                doc.name_cell("", places[site.dataset]).colour,
                site.dataset,
                # The list of a site outside is in the section on probable failures.
                site.answer.removeprefix(f"{site.dataset}: ").removesuffix(site.failing if site.doubted else "").rstrip(),
            )
            text += "" if labelled else step.format(site.next.text)
            text += "" if site.next.command in said else command.format(site.next.command)
            said.add(site.next.command)
            yield doc.Text([text], "caution answer" if site.inside is False and not labelled else "inside")


FAILING = "The section Explore, below, marks all images that fail or probably fail."


def _assessment_content(_: Comparison, relation: Relation | None, assessment: Assessment | None) -> doc.Section | None:
    if assessment is None or relation is None:
        return None
    table, labelled = sites(assessment), list(_answers(assessment, labelled=True))
    ordered = assessment.ordered()
    measured = [site for site in ordered if site.measured is not None]
    # Sites with the same next step share a line; their answers are folded below.
    steps: dict[str, list[str]] = {}
    for site in measured:
        steps.setdefault(site.next.text, []).append(site.dataset)
    to_label = [doc.named(site.dataset, ", ".join(site.to_label)) for site in ordered if site.to_label]
    todo: list[doc.Part] = [
        doc.Text([], heading="What to do about the labelled sites"),
        doc.Items([doc.named(doc.listing(names, len(names)), text) for text, names in steps.items()]),
    ]
    parts: list[doc.Part] = [
        *_answers(assessment, labelled=False),
        doc.TablePart("sites", "The answer for each site, in numbers", table, heading="", explained=False),
        *doc.texts(" ".join(assessment.legend()), style="small"),
        doc.Disclosure("What the columns mean", [doc.Definitions(table.explained())]),
        doc.RegisteredFigure("sites"),
        *(todo if steps else []),
        *([doc.Disclosure("Their failing images, what was expected, and the commands", labelled)] if labelled else []),
        *doc.texts(FAILING if any(site.failing for site in ordered) else "", style="small page-only"),
        *([doc.Disclosure("Images to label first", [doc.Items(to_label)])] if to_label else []),
        *doc.notes("Notes", assessment.notes),
    ]
    return doc.Section("", parts, title="The answer")


ASSESSMENT = SectionKind("assessment", "The answer", SECTION, _assessment_content)


MEAN, EVERYTHING, DISTANCE = "mean", "all", "distance"
FEW = 6
FIXED = ", chosen in advance because the least error of many is partly luck"


def judgement_of(relation: Relation, estimator: str | None) -> Judgement | None:
    """Return the judgement of an estimator; None if it was not judged."""
    return next((row for row in relation.judgements if row.estimator == estimator), None)


def comparable(judgements: Sequence[Judgement]) -> list[Judgement]:
    """List the estimators judged on the largest number of datasets, whose errors are comparable."""
    most = max((row.sets for row in judgements), default=0)
    return [row for row in judgements if row.sets == most]


def best(judgements: Sequence[Judgement]) -> Judgement | None:
    """Return the judgement with the smallest error of a dataset's mean among comparable estimators; the first if tied."""
    return min(comparable(judgements), key=lambda row: row.mae_set, default=None)


def lead(relation: Relation) -> str:
    """State which estimator did best on left-out datasets, compared with predicting the mean."""
    first, mean = best(relation.judgements), judgement_of(relation, MEAN)
    if first is None or mean is None:
        labelled = sum(row.scored > 0 for row in relation.datasets)
        labelled_text = "is one" if labelled == 1 else "is none" if not labelled else f"are {labelled}"
        return (
            "No estimator could be judged: that takes at least two datasets with performances, of which one is left out and "
            f"estimated from the others; here {labelled_text}."
        )
    on = "1 labelled dataset, left out" if first.sets == 1 else f"{first.sets} labelled datasets, each left out in turn"
    judged = f"{len(relation.judgements)} estimators were judged on {on}."
    missed = f"misses a dataset's mean performance by {mean.mae_set:.3f} and an image's by {mean.mae_image:.3f}"
    if len(relation.judgements) == 1 and first.estimator == MEAN:
        return f"Only predicting the mean could be judged, on {on}: it {missed}."
    if first.estimator == MEAN:
        return f"{judged} None beats predicting the mean, which {missed}."
    best_of = (
        f"{judged} The best, “{first.estimator}”, misses a dataset's mean performance by {first.mae_set:.3f} and an "
        f"image's by {first.mae_image:.3f}; always answering the other datasets' average misses by {mean.mae_set:.3f} and "
        f"{mean.mae_image:.3f}."
    )
    choice = _choice(relation, EVERYTHING)
    if choice is None:
        used = judgement_of(relation, relation.estimator)
        if used is None or used.estimator == first.estimator:
            return best_of
        errors = f"{used.mae_set:.3f} and {used.mae_image:.3f}"
        return f"{best_of} “{used.estimator}”, by which the estimates are made, misses by {errors}."
    return (
        f"{best_of} Chosen for that, it is flattered: an estimator chosen without the dataset that it is then tried on misses "
        f"by {choice.mae_set:.3f} and {choice.mae_image:.3f}."
    )


def distance(relation: Relation) -> str:
    """State in one sentence the value of distance as an estimator; return "" if it was not judged."""
    fixed = (row for row in comparable(relation.judgements) if row.estimator == FIXED_DISTANCE)
    # An earlier version chose a distance.
    mean, alone = judgement_of(relation, MEAN), _choice(relation, DISTANCE) or next(fixed, None)
    if mean is None or alone is None:
        return ""
    on_images, on_sets = _beats(alone.mae_image, mean.mae_image), _beats(alone.mae_set, mean.mae_set)
    if not on_images and not on_sets:
        return "Alone, distance is no estimator of performance here: it does not beat predicting the mean."
    if not on_sets:
        return "Distance is a weak estimator of performance here: it beats predicting the mean for images, not for datasets."
    if not on_images:
        return "Distance is a weak estimator of performance here: it beats predicting the mean for datasets, not for images."
    both = set(alone.set_errors) & set(mean.set_errors)
    near = sum(abs(alone.set_errors[name]) < abs(mean.set_errors[name]) for name in both)
    better = "As an estimator of performance distance beats predicting the mean here"
    if 2 * near <= len(both):
        return f"{better} on average, but comes nearer to the truth in only {near} of {len(both)} datasets."
    few = ", so few that it may be chance" if len(both) < FEW else ""
    return f"{better}, coming nearer to the truth in {near} of {len(both)} datasets{few}."


def in_use(relation: Relation) -> str:
    """State which estimator made the estimates, and why; return "" without estimates."""
    estimator, first = relation.estimator, best(relation.judgements)
    if estimator is None or not relation.estimates:
        return ""
    others = sorted({row.estimator for row in relation.estimates} - {estimator})
    instead = f" Where a dataset lacks what it reads, {doc.listing(quoted(others))} stands in." if others else ""
    if first is None:
        return f"The estimates are by “{estimator}”, which nothing here could test.{instead}"
    if estimator == first.estimator:
        return f"The estimates are by “{estimator}”.{instead}"
    asked = relation.settings.estimator == estimator
    why = ", as was asked for" if asked else FIXED if estimator in (CONSENSUS, MEAN) else ""
    return f"The estimates are by “{estimator}”{why}, not by “{first.estimator}”, whose error here is the least.{instead}"


def intervals(relation: Relation) -> str:
    """Explain the intervals of datasets' means and of images, and state how often they contained the measured values."""
    text = (
        "A dataset's interval assumes that the new dataset is drawn at random from datasets like the labelled ones, which "
        "cannot be checked. "
        "It is Student's, from the errors on those left out: the fewer there are, the wider it is."
    )
    measured = [row for row in relation.estimates if row.measured is not None]
    if measured:
        text += f" {sum(row.held for row in measured)} of {len(measured)} labelled datasets have their mean within it."
    used = judgement_of(relation, relation.estimator)
    if used is not None and used.coverage is not None:
        level = percentage_of(relation.settings.level)
        text += (
            f" Of the intervals of images, which should hold with {level}, {share(used.coverage)} held on datasets left out."
        )
    return text


def quoted(names: Sequence[str]) -> list[str]:
    """Quote names of estimators for prose, as "all" and "mean" are also ordinary words."""
    return [f"“{name}”" for name in names]


def _choice(relation: Relation, among: str) -> Choice | None:
    return next((row for row in relation.choices if row.among == among), None)


def _beats(a: float, b: float) -> bool:
    """Return whether an error is smaller than another after rounding for display."""
    return round(a, 3) < round(b, 3)


def judgements(relation: Relation) -> doc.Table:
    """Build the table of estimators judged on left-out datasets, with the one in use marked."""
    fewer = len({(row.sets, row.images) for row in relation.judgements}) > 1
    level, tau = percentage_of(relation.settings.level), f"{relation.settings.tau:g}"
    held = f"how many of the datasets' intervals held the measured mean; they claim {level}"
    coverage = f"share of image intervals that hold the measured value; they claim {level}; – where images have none"
    auroc = (
        f"chance that an image below τ = {tau} is estimated lower than another, over all datasets; 0.5 is guessing, and with "
        "few datasets leaving one out pushes it lower"
    )
    within = "the same within a dataset, mean over the datasets that hold both kinds: ranking one set's images"
    aurc = "mean of 1 − performance over the images estimated highest, over all shares that might be kept; lower is better"
    kind = "what it reads: distances, the confidence of predictions, their agreement, or several of these"
    marked = "the one whose estimates are shown is marked"
    reads = "images that it was judged on: those that have what it reads"
    image = "mean absolute error of an image's performance; each dataset counts alike"

    def sets_held(row: Judgement) -> doc.Cell:
        share = row.set_coverage
        return doc.UNDEFINED if share is None else doc.Cell(f"{round(share * row.sets)} of {row.sets}", share)

    return doc.tabulate(
        relation.judgements,
        ("estimator", marked, lambda row: doc.Cell(row.estimator, strong=row.estimator == relation.estimator)),
        ("kind", kind, lambda row: doc.Cell("the mean" if row.kind == "baseline" else row.kind)),
        ("sets", "datasets that it was judged on, each left out in turn", lambda row: doc.count(row.sets), fewer),
        ("images", reads, lambda row: doc.count(row.images), fewer),
        ("error, set", "mean absolute error of a dataset's mean performance", lambda row: doc.decimal(row.mae_set)),
        ("error, image", image, lambda row: doc.decimal(row.mae_image)),
        ("sets held", held, sets_held),
        ("coverage", coverage, lambda row: doc.percentage(row.coverage)),
        ("width", "mean length of those intervals; a width of 1 covers every score", lambda row: doc.decimal(row.width, 2)),
        ("AUROC", auroc, lambda row: doc.decimal(row.auroc, 2)),
        ("AUROC within", within, lambda row: doc.decimal(row.auroc_within, 2)),
        ("AURC", aurc, lambda row: doc.decimal(row.aurc)),
    )


def _gate(relation: Relation, dataset: str) -> doc.Cell:
    gate = relation.gate(dataset)
    if gate is None or gate.inside is None:
        return doc.UNDEFINED
    return doc.Cell("inside" if gate.inside else ", ".join(reading.check for reading in gate.outside), strong=not gate.inside)


def set_errors(relation: Relation) -> doc.Table:
    """List each labelled dataset's error when left out, by the estimator in use, the best one, and the mean of the others."""
    shown = judgement_of(relation, relation.estimator), best(relation.judgements), judgement_of(relation, MEAN)
    few = {row.estimator: row.set_errors for row in shown if row}
    names = dict.fromkeys(name for errors in few.values() for name in errors)
    return doc.crossed("dataset", names, few, doc.Cell, lambda name, estimator: doc.change(few[estimator].get(name)))


def estimates(relation: Relation) -> doc.Table:
    """List each dataset's estimated mean performance, and the measured one if known."""
    names = dataset_cells(relation)
    gate = (
        "whether labelled datasets like it are known; outside their range no estimate can be trusted, and the checks that "
        "say so stand here: distance, knn, residual (features off P's subspace), share (of pixels predicted as foreground), "
        "scale (of structures), size (of images), tiles"
    )
    student = "made without any label of this dataset; the interval is Student's, from errors on the datasets left out"

    less = "estimated less measured"

    def mean(row: SetEstimate) -> doc.Cell:
        return doc.estimated(row.predicted, row.low, row.high, doubted=relation.doubted(row))

    def held(row: SetEstimate) -> doc.Cell:
        return doc.UNDEFINED if row.measured is None else doc.Cell("yes" if row.held else "no", strong=not row.held)

    return doc.tabulate(
        relation.estimates,
        ("dataset", "", lambda row: names[row.dataset]),
        ("images", "that have an estimate", lambda row: doc.count(row.n)),
        ("estimator", "", lambda row: doc.Cell(row.estimator)),
        ("estimated mean [interval]", student, mean),
        ("level", "of the interval", lambda row: doc.percentage(row.level)),
        ("gate", gate, lambda row: _gate(relation, row.dataset)),
        ("measured mean", "where the dataset has performances", lambda row: doc.decimal(row.measured)),
        ("error", less, lambda row: doc.change(None if row.measured is None else row.predicted - row.measured)),
        ("held", "whether the interval holds the measured mean", held),
    )


def _estimates_content(_: Comparison, relation: Relation | None) -> doc.Section | None:
    if relation is None:
        return None
    parts = list[doc.Part]()
    if relation.estimates:
        parts += [
            *doc.shown("estimates", "Estimated mean performance of every dataset", estimates(relation)),
            doc.Text([intervals(relation)], "caution"),
            doc.RegisteredFigure("estimates"),
        ]
    if relation.judgements:
        errors = "Error of every dataset's mean, estimated less measured"
        known = [(row.estimator, sentence_of(row.estimator)) for row in relation.judgements]
        explained = [(name, sentence) for name, sentence in known if sentence]
        parts += [
            *doc.shown(
                "judgements", "Estimators of performance, judged on datasets left out", judgements(relation), style="named"
            ),
            *([doc.Disclosure("What each estimator is", [doc.Definitions(explained)])] if explained else []),
            doc.Disclosure(errors, doc.shown("errors", errors, set_errors(relation), text=ALL_ERRORS)),
            doc.RegisteredFigure("judgements"),
        ]
    sentences = [text for text in (distance(relation), in_use(relation)) if text]
    return doc.Section(lead(relation), parts, sentences)


ESTIMATES = SectionKind("estimates", "Estimates", SECTION, _estimates_content, whole=True)
