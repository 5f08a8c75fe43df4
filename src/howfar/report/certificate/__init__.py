"""Report a certificate on one page: what the model was shown to reach on a site, and by which labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from howfar.report.certificate import text
from howfar.report.figures import draw_figures
from howfar.report.page import write_page
from howfar.report.tables import Cell, Column, Table, count, decimal, facts, with_interval
from howfar.results.certificate import Certificate


def write_certificate_report(certificate: Certificate, folder: str | Path) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    What is in the folder by these names is replaced.
    """
    figures = draw_figures({"certificate_figures": certificate}, folder, prefix="certificate_")
    return write_page("certificate/page.html.j2", _content(certificate), folder, figures)


def _content(certificate: Certificate) -> dict[str, Any]:
    return {
        "c": certificate,
        "lead": text.lead(certificate),
        "design": text.design(certificate),
        "sentences": text.sentences(certificate),
        "limitations": text.limits(certificate),
        "sample": _sample(certificate),
        "steps": _steps(certificate),
        "settings": _settings(certificate),
    }


def _sample(certificate: Certificate) -> Table:
    """List the drawn images in the order of labelling."""
    alike = "size" if certificate.design == "size" else "performance"
    stratum = "none: plain random order" if certificate.anytime else f"images of like predicted {alike}; 0 has the lowest"
    columns = (
        Column("image"),
        Column("order", "in which the images were drawn, and are to be labelled"),
        Column("stratum", stratum),
        Column("stands for", "how many images of the site: 1 over its chance of being drawn"),
        Column("predicted", certificate.proxy),
        Column("measured", "by its label; – where the measure is not defined for the image"),
    )
    rows = [
        (
            Cell(one.image),
            count(one.rank),
            count(one.stratum),
            decimal(1 / one.probability, 1),
            decimal(one.proxy),
            decimal(one.performance) if one.labelled else Cell("to label"),
        )
        for one in certificate.sample
    ]
    return Table(columns, tuple(rows))


def _steps(certificate: Certificate) -> Table:
    """List what was known after each number of labels, and whether the question was settled where there is one."""
    asked = () if certificate.until is None else (Column("settled"),)
    columns = (
        Column("labels"),
        Column("estimate", f"{100 * certificate.level:g} % interval"),
        Column("half width"),
        *asked,
    )
    rows = [
        (
            Cell(f"{step.labelled}", step.labelled),
            with_interval(step.value, step.low, step.high, "{:.3f}".format),
            decimal(None if step.low is None or step.high is None else (step.high - step.low) / 2),
            *(Cell(step.settled or "–") for _ in asked),
        )
        for step in certificate.steps
    ]
    return Table(columns, tuple(rows))


def _settings(certificate: Certificate) -> Table:
    return facts(
        {
            "site": certificate.site.source or None,
            "images": certificate.n,
            "drawn": len(certificate.sample),
            "task": certificate.task,
            "metric": certificate.metric,
            "level": certificate.level,
            "until": certificate.until,
            "threshold": certificate.threshold,
            "tolerance": certificate.tolerance or None,
            "boxes match from": certificate.iou,
            "boxes scored from": certificate.min_score,
            "predicted by": certificate.proxy,
            "seed": certificate.seed,
        }
    )
