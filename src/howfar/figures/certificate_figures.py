"""Draw a certificate: the interval by number of labels, and predicted against measured performance of the sampled images."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from howfar.figures import Caption, registered, style
from howfar.results.certificate_result import Certificate, Step
from howfar.text_formatting import format_interval

_WIDTH, _HEIGHT = 6.5, 3.0


def _known(certificate: Certificate) -> list[Step]:
    return [step for step in certificate.steps if step.value is not None and step.low is not None]


def _steps_caption(certificate: Certificate) -> Caption:
    last = _known(certificate)[-1]
    return Caption(
        "The interval as labels come in",
        f"Estimate (line) and {100 * certificate.level:g} % interval (band) after each label, in the order of the draw. "
        + ("The dashed line is what was asked. " if _asked(certificate) is not None else "")
        + ("The band holds at every look." if certificate.anytime else "Each band holds for one look."),
        f"After {last.labelled} labels {format_interval(last.value, last.low, last.high, '.3f')}.",
    )


@registered(_steps_caption, shows=lambda certificate: len(_known(certificate)) > 1, phone=True)
def certificate_steps(certificate: Certificate) -> Figure:
    """Draw the estimate and its interval after each label, and the level in question."""
    steps = _known(certificate)
    labels = [step.labelled for step in steps]
    with style.drawing():
        figure = style.blank(_WIDTH, _HEIGHT)
        axes = figure.add_subplot()
        low, value, high = (np.array([getattr(step, name) for step in steps], float) for name in ("low", "value", "high"))
        axes.fill_between(labels, low, high, color=style.COLOURS[0], alpha=0.2, linewidth=0)
        axes.plot(labels, value, color=style.COLOURS[0], marker="o", markersize=3, clip_on=False)
        asked = _asked(certificate)
        if asked is not None:
            axes.axhline(asked, color=style.COLOURS[1], linestyle="--", linewidth=1)
        performance, least = ("performance", 0) if certificate.against is None else ("difference", -1)
        axes.set(ylim=(least, 1), xlabel="labels", ylabel="share" if certificate.of_false_positives else performance)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=True, axis="both")
    return figure


def _sample_caption(certificate: Certificate) -> Caption:
    known = _pairs(certificate)
    worse = sum(measured < predicted for predicted, measured in known)
    return Caption(
        "Predicted and measured",
        f"Each labelled image by its predicted performance ({certificate.proxy}) and by what its label shows. On the line both "
        "are the same; ticks at the bottom are the predictions of all images of the site.",
        f"Of {len(known)} images {worse} did worse than predicted.",
    )


# What is predicted is performance, which false positives are not.
@registered(
    _sample_caption,
    shows=lambda certificate: (
        len(_pairs(certificate)) > 1 and not certificate.of_false_positives and certificate.against is None
    ),
    phone=True,
)
def certificate_sample(certificate: Certificate) -> Figure:
    """Draw predicted against measured performance of the labelled images."""
    known = np.array(_pairs(certificate))
    with style.drawing():
        figure = style.blank(_WIDTH, _HEIGHT)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=style.PRIMARY, linewidth=0.8)
        proxies = [proxy for proxy in certificate.site.proxies if proxy is not None]
        axes.plot(proxies, np.zeros(len(proxies)), "|", color=style.MUTED, alpha=0.35, markersize=7, clip_on=False)
        axes.plot(
            known[:, 0], known[:, 1], "o", color=style.COLOURS[0], markeredgecolor=style.INK, markeredgewidth=0.4, markersize=5
        )
        style.unit_plane(axes)
        axes.set(xlabel="predicted", ylabel="measured")
    return figure


def _pairs(certificate: Certificate) -> list[tuple[float, float]]:
    return [(one.proxy, one.performance) for one in certificate.sample if one.proxy is not None and one.performance is not None]


def _asked(certificate: Certificate) -> float | None:
    """Return the performance in question; None if the question was a width, or there was none."""
    if certificate.until is None or ">=" not in certificate.until:
        return None
    return float(certificate.until.rpartition(">=")[2])
