"""Report the result of `howfar certify` on one page: the certified performance of a site, and the labels behind it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from markupsafe import Markup

from howfar.formatting_and_escaping import in_units
from howfar.report import section as doc
from howfar.report.page import limits_section, made_section, write_page
from howfar.report.report_figures import draw_figures
from howfar.results.certificate_result import Certificate, Step
from howfar.results.display_and_shared_records import Interval

_OWN = {"segmentation": "map", "multiclass": "map", "classification": "class", "detection": "boxes"}


def lead(certificate: Certificate) -> str:
    """State the performance shown for the model, or that labels are awaited."""
    return in_units(_lead(certificate), certificate.unit, certificate.dataset)


def _lead(certificate: Certificate) -> str:
    drawn, labelled = len(certificate.sample), certificate.labelled
    if certificate.zone is not None and certificate.value is not None:
        asked = f"at most {100 * certificate.zone.wrong:g} % score below {certificate.zone.at_least:g}"
        if not certificate.zone.certified:
            return f"Of no part of {certificate.dataset} is it shown that {asked}."
        of = f"{certificate.zone.certified:,} of the {certificate.n:,} images of {certificate.dataset}"
        sure = f"with {100 * certificate.level:g} % confidence, whatever the shift"
        return f"Take the {of} with the best predictions: {asked}, {sure}. zone.txt lists them."
    if certificate.value is None or certificate.low is None or certificate.high is None:
        if not labelled:
            return f"Nothing is known yet: {drawn} of {certificate.n:,} images were drawn and wait for their labels."
        known = f"{labelled} of {drawn} drawn images {doc.plural(labelled, 'is', 'are')} labelled"
        if all(one.performance is None for one in certificate.sample):
            return f"{known}, in none of which the {certificate.words} is defined."
        return f"{known}: too few for an estimate, since a part of the site has no label yet."
    sure = f"between {certificate.low:.3f} and {certificate.high:.3f} with {100 * certificate.level:g} % confidence"
    exact = certificate.low == certificate.high
    whole = "which is exact: every image of the site is labelled" if exact else f"{sure}, whatever the shift"
    if certificate.against is not None and not certificate.sample:
        return f"On {certificate.dataset} both models predict the same of every image: no label is needed."
    if certificate.against is not None or certificate.of_false_positives:
        form = "+.3f" if certificate.against is not None else ".3f"
        return f"On {certificate.dataset} the {certificate.words} is {certificate.value:{form}}, {whole}."
    return f"On {certificate.dataset} the model reaches a {certificate.measured} of {certificate.value:.3f}, {whole}."


def design(certificate: Certificate) -> str:
    """State how the sample was drawn."""
    if certificate.zone is not None:
        return (
            "One random order of the site, of which each zone's test reads the first images inside the zone. Listed in the "
            "order of labelling: what the smallest zone needs comes first."
        )
    if certificate.against is not None:
        return (
            "Drawn at random, each next image with a chance in proportion to the largest difference that the two models' "
            "predictions allow. Images with equal predictions are not drawn: their difference is 0."
        )
    if certificate.anytime:
        return (
            "Drawn in plain random order, as an interval needs that holds at every look, and listed in the order of labelling."
        )
    strata = len({one.stratum for one in certificate.sample})
    alike = {"size": "predicted size"}.get(certificate.design, "predicted performance")
    within = f"within {strata} strata of {alike}" if strata > 1 else "from all images alike"
    return f"Drawn at random {within}, and listed in the random order in which the images are labelled."


def sentences(certificate: Certificate) -> list[str]:
    """State what the labels settled, how much of the sample is labelled, and the predicted performance."""
    drawn, labelled = len(certificate.sample), certificate.labelled
    lines = list(filter(None, [doc.sentence_case(certificate.answer())]))
    if 0 < labelled < drawn:
        lines.append(
            f"{labelled} of the {drawn} drawn images are labelled. They are the first in the order of the draw, which is "
            "random, so that they show as much as any others; the rest would make the interval narrower."
        )
    predicted = [proxy for proxy in certificate.site.proxies if proxy is not None]
    of_performance = certificate.zone is None and certificate.against is None and not certificate.of_false_positives
    if predicted and certificate.value is not None and of_performance:
        guess = sum(predicted) / len(predicted)
        lines.append(
            f"Without labels it was predicted to reach {guess:.3f} ({certificate.proxy}). The prediction makes the interval "
            "narrower where it is good; the interval does not rest on it."
        )
    return lines


def limits(certificate: Certificate) -> list[str]:
    """List the limits of the numbers."""
    share = f"{100 * (1 - certificate.level):.2g} %"
    misses = "the interval misses" if certificate.zone is None else "more images of the zone score less than was asked"
    look = (
        "It holds however often it is looked at while labels come in."
        if certificate.anytime
        else "It holds for one look: who labels on until it pleases needs --until, whose intervals hold at every look."
    )
    return [
        f"In {share} of samples {misses}. {look}",
        "It is of the images of this site as they are now, and of this model: other images and another model need labels of "
        "their own, and so do later images of the same site.",
        f"It is of the labels as they were drawn: labels that begin with the model's own {_OWN[certificate.task]} may lean "
        "towards it. Where much depends on the answer, label some images without it.",
        "A sample shows nothing of a model that learnt from its images. Labels may serve both by cross-fitting alone: "
        "train without a part of the sample, certify on that part, and take turns.",
    ]


def write_certificate_report(certificate: Certificate, folder: str | Path) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path."""
    figures = draw_figures({"certificate_figures": certificate}, folder, prefix="certificate_")
    heads = "Certificate", _asked(certificate), f"Certificate of a model on {certificate.dataset}"
    labelled = f"{certificate.labelled} of {len(certificate.sample)} drawn images labelled"
    facts = [f"{certificate.n:,} images", labelled, certificate.words]
    return write_page(folder, figures, _sections(certificate), heads, facts, certificate.provenance)


def _asked(certificate: Certificate) -> str:
    if certificate.zone is not None:
        return f"On which part of {certificate.dataset} may the model be used?"
    if certificate.against is not None:
        return f"Which of two models is better on {certificate.dataset}?"
    return f"What does the model reach on {certificate.dataset}?"


def _sections(certificate: Certificate) -> Iterator[tuple[str, str, doc.Section]]:
    steps = len(certificate.steps)
    answer: list[doc.Part] = [*doc.notes("Notes", certificate.notes), doc.RegisteredFigure("steps")]
    yield "answer", "In short", doc.Section(lead(certificate), answer, sentences(certificate))
    if certificate.zone is not None and certificate.zone.tests:
        said = {True: "passed", False: "failed", None: "waits for labels"}
        tested = doc.tabulate(
            certificate.zone.tests,
            ("best predicted images", "of the site", lambda test: doc.count(test.images)),
            ("labels", "that the test reads", lambda test: doc.count(test.labels)),
            ("below", f"labels that score below {certificate.zone.at_least:g}", lambda test: doc.count(test.below)),
            ("allowed", "largest number with which it passes", lambda test: doc.count(test.allowed)),
            ("test", "", lambda test: doc.Cell(said[test.passed])),
        )
        tests = doc.TablePart("zones", "The zones that were tested, smallest first", tested, heading="")
        yield "zones", "Zones", doc.Section("The first test that fails, or lacks labels, ends the search.", [tests])
    sample = doc.TablePart("sample", "The drawn images in the order of labelling", _sample(certificate), heading="")
    yield "sample", "Sample", doc.Section("", [doc.RegisteredFigure("sample"), sample], [design(certificate)])
    if steps > 1:
        summary = f"What was known after each of {steps} labels"
        table = doc.TablePart("steps", "What was known after each label", _steps(certificate), heading="", summary=summary)
        yield "steps", "Label by label", doc.Section("", [replace(table, explained=False)])
    yield limits_section(limits(certificate))
    values: dict[str, object] = {"site": certificate.site.source or None}
    values |= {"images": certificate.n, "drawn": len(certificate.sample)}
    values |= {name: getattr(certificate, name) for name in ("task", "metric", "level", "until")}
    values |= {name.replace("_", " "): getattr(certificate.zone, name, None) for name in ("at_least", "wrong")}
    values |= {"second model": certificate.against, "threshold": certificate.threshold}
    values |= {"tolerance": certificate.tolerance or None, "boxes match from": certificate.iou}
    values |= {"boxes scored from": certificate.min_score, "predicted by": certificate.proxy, "seed": certificate.seed}
    yield made_section(doc.Made([("Settings", doc.facts(values))], certificate.provenance, source=SOURCE))


SOURCE: Final = Markup(
    "A. N. Angelopoulos, S. Bates, C. Fannjiang, M. I. Jordan and T. Zrnic, “Prediction-powered inference”, "
    '<a href="https://doi.org/10.1126/science.adi6000" rel="noreferrer">Science 382, 2023</a>; its weight after '
    "A. N. Angelopoulos, J. C. Duchi and T. Zrnic, “PPI++”, "
    '<a href="https://arxiv.org/abs/2311.01453" rel="noreferrer">arXiv:2311.01453</a>, 2023. Strata and allocation: '
    "J. Neyman, J. R. Stat. Soc. 97, 1934."
)


def _sample(certificate: Certificate) -> doc.Table:
    other = certificate.zone is not None or certificate.against is not None
    predicted = "predicted" if certificate.against is None else "may differ by"
    alike = "size" if certificate.design == "size" else "performance"
    stratum = "none: plain random order" if certificate.anytime else f"images of like predicted {alike}; 0 has the lowest"
    stands_for = "how many images of the site: 1 over its chance of being drawn"
    defined = "by its label; – where the measure is not defined for the image"
    return doc.tabulate(
        certificate.sample,
        ("image", "", lambda one: doc.Cell(one.image)),
        ("order", "in which the images were drawn, and are to be labelled", lambda one: doc.count(one.rank)),
        ("stratum", stratum, lambda one: doc.count(one.stratum), not other),
        ("stands for", stands_for, lambda one: doc.decimal(1 / one.probability, 1), not other),
        (predicted, certificate.proxy, lambda one: doc.decimal(one.proxy)),
        ("measured", defined, lambda one: doc.decimal(one.performance) if one.labelled else doc.Cell("to label")),
    )


def _steps(certificate: Certificate) -> doc.Table:
    def half(step: Step) -> doc.Cell:
        return doc.decimal(None if step.low is None or step.high is None else (step.high - step.low) / 2)

    interval = f"{100 * certificate.level:g} % interval"
    return doc.tabulate(
        certificate.steps,
        ("labels", "", lambda step: doc.Cell(f"{step.labelled}", step.labelled)),
        ("estimate", interval, lambda step: doc.interval_cell(Interval(step.value, step.low, step.high), "{:.3f}".format)),
        ("half width", "", half),
        ("settled", "", lambda step: doc.Cell(step.settled or "–"), certificate.until is not None),
    )
