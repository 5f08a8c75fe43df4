"""Write sentences on a certificate, computed from its numbers."""

from __future__ import annotations

from howfar.report.text import plural
from howfar.results.certificate import Certificate

_OWN = {"segmentation": "map", "multiclass": "map", "classification": "class", "detection": "boxes"}


def lead(certificate: Certificate) -> str:
    """Say what the model was shown to reach, or that labels are awaited."""
    drawn, labelled = len(certificate.sample), certificate.labelled
    if certificate.value is None or certificate.low is None or certificate.high is None:
        if not labelled:
            return f"Nothing is known yet: {drawn} of {certificate.n:,} images were drawn and wait for their labels."
        if all(one.performance is None for one in certificate.sample):
            are = plural(labelled, "is", "are")
            return f"{labelled} of {drawn} drawn images {are} labelled, in none of which the {certificate.words} is defined."
        return (
            f"{labelled} of {drawn} drawn images {plural(labelled, 'is', 'are')} labelled: too few for an "
            "estimate, since a part of the site has no label yet."
        )
    sure = f"between {certificate.low:.3f} and {certificate.high:.3f} with {100 * certificate.level:g} % confidence"
    exact = certificate.low == certificate.high
    whole = "which is exact: every image of the site is labelled" if exact else f"{sure}, whatever the shift"
    if certificate.of_false_positives:
        return f"On {certificate.dataset} the {certificate.words} is {certificate.value:.3f}, {whole}."
    return f"On {certificate.dataset} the model reaches a {certificate.words} of {certificate.value:.3f}, {whole}."


def design(certificate: Certificate) -> str:
    """Say how the sample was drawn."""
    if certificate.anytime:
        return (
            "Drawn in plain random order, as an interval needs that holds at every look, and listed in the order of labelling."
        )
    strata = len({one.stratum for one in certificate.sample})
    alike = {"size": "predicted size"}.get(certificate.design, "predicted performance")
    within = f"within {strata} strata of {alike}" if strata > 1 else "from all images alike"
    return f"Drawn at random {within}, and listed in the random order in which the images are labelled."


def sentences(certificate: Certificate) -> list[str]:
    """Say what the labels settled, how far they go, and what the model was thought to reach."""
    drawn, labelled = len(certificate.sample), certificate.labelled
    lines = []
    answer = certificate.answer()
    if answer:
        lines.append(f"{answer[:1].upper()}{answer[1:]}.")
    if 0 < labelled < drawn:
        lines.append(
            f"{labelled} of the {drawn} drawn images are labelled. They are the first in the order of the draw, which is "
            "random, so that they show as much as any others; the rest would make the interval narrower."
        )
    predicted = [proxy for proxy in certificate.site.proxies if proxy is not None]
    if predicted and certificate.value is not None and not certificate.of_false_positives:
        guess = sum(predicted) / len(predicted)
        lines.append(
            f"Without labels it was predicted to reach {guess:.3f} ({certificate.proxy}). The prediction makes the interval "
            "narrower where it is good; the interval does not rest on it."
        )
    return lines


def limits(certificate: Certificate) -> list[str]:
    """Say what the numbers do not tell."""
    share = f"{100 * (1 - certificate.level):.2g} %"
    look = (
        "It holds however often it is looked at while labels come in."
        if certificate.anytime
        else "It holds for one look: who labels on until it pleases needs --until, whose intervals hold at every look."
    )
    return [
        f"In {share} of samples the interval misses. {look}",
        "It is of the images of this site as they are now, and of this model: other images and another model need labels of "
        "their own, and so do later images of the same site.",
        f"It is of the labels as they were drawn: labels that begin with the model's own {_OWN[certificate.task]} may lean "
        "towards it. Where much depends on the answer, label some images without it.",
        "A sample shows nothing of a model that learnt from its images. Labels may serve both by cross-fitting alone: "
        "train without a part of the sample, certify on that part, and take turns.",
    ]
