"""The page of a certificate: what it says before there are labels, with some, with all, and of a question."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest

import howfar
from howfar.report.certificate import write_certificate_report
from howfar.results.certificate import Certificate

PREDICTED = np.linspace(0.1, 0.9, 60)
TRUTH = PREDICTED**1.5


def made(count: int, k: int = 16, **given: object) -> Certificate:
    order = [one.index for one in howfar.certify(PREDICTED, k=k, **given).sample]  # type: ignore[arg-type]
    return howfar.certify(PREDICTED, k=k, labels=TRUTH[order][:count], **given)  # type: ignore[arg-type]


def words(certificate: Certificate, folder: Path) -> str:
    """The page's text, on one line."""
    text = write_certificate_report(certificate, folder).read_text(encoding="utf-8")
    body = re.sub(r"<(style|script|svg).*?</\1>", " ", text[text.index("<body") :], flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ").split())


def figures(folder: Path) -> set[str]:
    return {path.name for path in (folder / "figures").iterdir()}


def test_before_there_are_labels(tmp_path: Path) -> None:
    text = words(made(0), tmp_path)
    assert "Nothing is known yet: 16 of 60 images were drawn and wait for their labels." in text
    assert "to label" in text
    assert "Label by label" not in text
    assert figures(tmp_path) == set()


def test_too_few_labels_for_every_stratum(tmp_path: Path) -> None:
    text = words(made(1), tmp_path)
    assert "1 of 16 drawn images is labelled: too few for an estimate" in text


def test_false_positives_are_no_performance(tmp_path: Path) -> None:
    given = {"metric": "false_positive_rate", "words": "share of images"}
    text = words(replace(made(12), **given), tmp_path)
    assert "On values the share of images is 0." in text
    assert "was predicted to reach" not in text
    assert figures(tmp_path) == {"steps.svg", "steps.png"}


def test_labels_of_images_in_which_nothing_is_defined(tmp_path: Path) -> None:
    none = tuple(replace(one, performance=None) for one in made(16).sample)
    text = words(replace(made(16), sample=none, value=None, low=None, high=None), tmp_path)
    assert "16 of 16 drawn images are labelled, in none of which the mean performance is defined." in text


def test_some_labels(tmp_path: Path) -> None:
    certificate = made(12)
    text = words(certificate, tmp_path)
    said = f"mean performance of {certificate.value:.3f}, between {certificate.low:.3f} and {certificate.high:.3f}"
    assert f"On values the model reaches a {said} with 90 % confidence, whatever the shift." in text
    assert "12 of the 16 drawn images are labelled." in text
    assert "Without labels it was predicted to reach 0.500 (given)." in text
    assert "within 4 strata of predicted performance" in text
    assert "needs --until" in text
    assert figures(tmp_path) == {"steps.svg", "steps.png", "sample.svg", "sample.png"}
    assert text.count("to label") == 4
    assert "settled" not in text


def test_all_labels_are_exact(tmp_path: Path) -> None:
    text = words(made(60, k=60), tmp_path)
    assert f"mean performance of {TRUTH.mean():.3f}, which is exact: every image of the site is labelled." in text


@pytest.mark.parametrize(("until", "said"), [("F >= 0.9", "does not hold"), ("F >= 0.1", "holds"), ("±0.2", "holds")])
def test_a_settled_question(until: str, said: str, tmp_path: Path) -> None:
    text = words(made(30, k=40, until=until), tmp_path)
    assert re.search(rf"Settled after \d+ labels: {re.escape(until)} {said}\.", text)
    assert "Drawn in plain random order" in text
    assert "It holds however often it is looked at" in text


def test_a_question_that_is_open(tmp_path: Path) -> None:
    certificate = made(10, k=40, until="±0.05")
    assert certificate.needed is not None
    assert f"Not settled: ±0.05; about {certificate.needed} more labels needed." in words(certificate, tmp_path)
