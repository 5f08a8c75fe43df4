"""Write the report's section on probable failures, with the stated and the measured share of listed images that do not fail."""

from markupsafe import Markup

from howfar.formatting_and_escaping import percentage_of, share
from howfar.report import section as doc
from howfar.report.page import SECTION, SectionKind
from howfar.report.performance_report import dataset_cells
from howfar.results import Comparison, Failures, Relation
from howfar.results.assessment_result import Assessment
from howfar.tasks.task import Task
from howfar.tasks.tasks_and_own_options import TASKS

FEW, MOST = 30, 200


def lead(relation: Relation, task: type[Task] | None = None) -> str:
    """State the number of listed images and of their datasets, without the lists that cannot be trusted."""
    outside, tau = relation.doubted_sets(), f"{relation.settings.tau:g}"
    believed = [row for row in relation.failures if row.dataset not in outside]
    doubted = [
        f"{row.dataset} ({row.listed:,} of {row.n:,})" for row in relation.failures if row.dataset in outside and row.listed
    ]
    apart, kind = "", "dataset" if task is None else "site"
    if doubted:
        lists, are, them = ("list", "is", "it") if len(doubted) == 1 else ("lists", "are", "them")
        apart = f" The {lists} of {doc.listing(doubted)} {are} not counted: outside the gate, only labels could confirm {them}."
    total, listed = sum(row.n for row in believed), sum(row.listed for row in believed)
    if not listed:
        rate = percentage_of(relation.settings.error_rate)
        how = f"No list of images that score below τ = {tau} can be given at an error rate of {rate}"
        return f"{how}. So none of {total:,} images is listed, whether it fails or not.{apart}"
    most = sorted((row for row in believed if row.listed), key=lambda row: -row.listed)
    among = doc.listing([f"{row.listed:,} of {row.dataset}" for row in most], most=2)
    score = f"probably score{doc.plural(listed, 's', '')} below τ = {tau}" if task is None else task.failing(listed, float(tau))
    supposed = "" if task is None or not task.supposed else f" {task.supposed}"
    those = doc.plural(listed, "is listed, as it", "are listed, as they")
    sets = f"{len(believed):,} {kind}{doc.plural(len(believed))}"
    empty = [row.dataset for row in believed if not row.listed]
    none = f" No image of {doc.listing(empty, most=2).replace(' and ', ' or ')} is listed." if empty else ""
    # An assessment says below its table that lists use no label.
    known = " A dataset's list is made without its labels." if task is None else ""
    return f"Of {total:,} images of {sets}, {listed:,} {those} {score}: {among}.{none}{known}{apart}{supposed}"


def promise(relation: Relation) -> str:
    """State the error rate, the condition under which it holds, and the list that misses most failing images."""
    rate, tau = percentage_of(relation.settings.error_rate), f"{relation.settings.tau:g}"
    missed = [row for row in relation.failures if row.failing and row.found is not None and row.found < row.failing / 2]
    worst = max(missed, key=lambda row: (row.failing or 0) - (row.found or 0), default=None)
    short = "" if worst is None else f": the list of {worst.dataset} holds {worst.found:,} of the {worst.failing:,} that failed"
    if worst is not None and not worst.listed:
        short = f": of {worst.dataset} none could be listed, and {worst.failing:,} failed"
    return (
        f"At most {rate} of the listed images are expected to score {tau} or more after all, if the images are exchangeable "
        "with the labelled ones. There is no such guarantee for a dataset unlike the labelled ones. An image that is not "
        f"listed may fail too{short}."
    )


def found(relation: Relation) -> str:
    """State the measured error of the labelled datasets' lists, each made without its dataset's labels."""
    rate, tau = relation.settings.error_rate, f"{relation.settings.tau:g}"
    failing = int((relation.images["performance"] < relation.settings.tau).sum())
    spared, listed_images = relation.listed_wrongly()
    if not listed_images:
        failed = f", although {failing:,} of them scored below {tau}" if failing else ""
        return f"No image with a known performance is listed{failed}, so the rate could not be measured."
    error, caught = spared / listed_images, listed_images - spared
    doubt = "" if error <= rate else ", so do not rely on the list of a new dataset"
    wrong = f"{spared:,} of {listed_images:,} listed images ({share(error)}) to be false alarms, with a score of {tau} or more"
    little = " So few images measure the rate only roughly." if listed_images < FEW else ""
    text = f"Labels show {wrong}. The lists aim at {percentage_of(rate)} at most{doubt}.{little}"
    if not failing:
        return f"{text} No image with a known performance failed."
    return f"{text} The lists include {caught:,} of the {failing:,} that failed ({share(caught / failing)})."


def broken(relation: Relation) -> str:
    """Name the labelled datasets whose list exceeded the stated error; return "" if none did, or only one was judged."""
    rate = relation.settings.error_rate
    judged = [row for row in relation.failures if row.measured_error is not None]
    beyond = [
        f"{row.dataset} ({share(row.measured_error)})" for row in judged if row.measured_error and row.measured_error > rate
    ]
    if not beyond or len(judged) == 1:
        return ""
    lists, verb = doc.plural(len(beyond), "list", "lists"), doc.plural(len(beyond), "is", "are")
    return f"The {lists} of {doc.listing(beyond)} {verb} wrong more often than stated."


def whole(relation: Relation) -> str:
    """Name the datasets that are listed entirely, and state whether the labelled images' failure rate explains this."""
    names = [row.dataset for row in relation.failures if row.n and row.listed == row.n]
    if not names:
        return ""
    performances = relation.images["performance"].dropna()
    fail = float((performances < relation.settings.tau).mean())
    every = f"Every image of {doc.listing(names)} is listed"
    # No share of no images: corrupted sets may be all that has labels.
    if not fail >= 1.0 - relation.settings.error_rate:
        return f"{every}."
    return (
        f"{every}: {share(fail)} of the labelled images fail, so even a list of all images keeps the stated rate. A lower τ "
        "lists only the worst."
    )


def lists(relation: Relation) -> doc.Table:
    """List each dataset's number of listed images, with their measured error if known."""
    tau, names, doubted = f"{relation.settings.tau:g}", dataset_cells(relation), relation.doubted_sets()
    wrong = f"share of the listed images that scored {tau} or more, where performances are known"

    def error(row: Failures) -> doc.Cell:
        return doc.percentage(row.measured_error, strong=row.measured_error is not None and row.measured_error > row.error_rate)

    def number(row: Failures) -> doc.Cell:
        return doc.Cell(f"({row.listed:,})", row.listed) if row.dataset in doubted else doc.count(row.listed)

    return doc.tabulate(
        relation.failures,
        ("dataset", "", lambda row: names[row.dataset]),
        ("images", "", lambda row: doc.count(row.n)),
        ("listed", f"images that probably score below {tau}; in round brackets if outside the gate and without labels", number),
        ("measured error", wrong, error),
        ("failing", f"images that scored below {tau}", lambda row: doc.count(row.failing)),
        ("found", "failing images that are listed", lambda row: doc.count(row.found)),
    )


def listed(relation: Relation) -> doc.Table:
    """List the listed images by increasing estimate, up to a limit."""
    names, tau = dataset_cells(relation), relation.settings.tau
    ordered = relation.probable_failures().head(MOST)
    p = "conformal p-value of “this image does not fail”: small if few images that did well had so low an estimate"
    known = "where the dataset has performances; marked where the image did not fail"
    level = f"claiming {percentage_of(relation.settings.level)}"

    return doc.tabulate(
        ordered.to_dict("records"),
        ("image", "", lambda row: doc.Cell(str(row["image"]))),
        ("dataset", "", lambda row: names[str(row["dataset"])]),
        ("estimate", "estimated performance, made without any label of the dataset", lambda row: doc.decimal(row["estimate"])),
        ("interval", level, lambda row: doc.span((row["estimate_low"], row["estimate_high"]), doc.two)),
        ("p", p, lambda row: doc.decimal(row["p_value"])),
        ("measured", known, lambda row: doc.decimal(row["performance"], strong=row["performance"] >= tau)),
    )


def _content(_: Comparison, relation: Relation | None, assessment: Assessment | None) -> doc.Section | None:
    if relation is None or not relation.failures:
        return None
    wrong, all_listed, total = broken(relation), listed(relation), int(relation.images["listed"].sum())
    measured_rate = Markup("{} <strong>{}</strong>").format(found(relation), wrong) if wrong else found(relation)
    cut = f"The {len(all_listed.rows)} lowest estimates of {total:,} listed images; all are in relation.parquet"
    apart = int(relation.images.loc[relation.images["dataset"].isin(relation.doubted_sets()), "listed"].sum())
    untrusted = f" ({apart:,} outside the gate)" if apart else ""
    summary = f"All {total:,} listed images{untrusted}, the lowest estimates first" if len(all_listed.rows) == total else cut
    lists_by_dataset: list[doc.Part] = [
        doc.Text([promise(relation)], "caution"),
        *doc.shown("lists", "Lists of probable failures by dataset", lists(relation)),
    ]
    parts: list[doc.Part] = [
        doc.RegisteredFigure("failures"),
        doc.Disclosure("How many listed images really fail", lists_by_dataset),
    ]
    if total:
        parts.append(doc.Disclosure(summary, doc.shown("listed", "Images that probably fail", all_listed, style="named")))
    task = None if assessment is None else TASKS[assessment.task]
    return doc.Section(lead(relation, task), parts, [text for text in (measured_rate, whole(relation)) if text])


SECTION_OF_FAILURES = SectionKind("failures", "Probable failures", SECTION, _content)
