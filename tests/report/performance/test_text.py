from __future__ import annotations

from dataclasses import replace

import pytest

from howfar.figures.performance import VERDICTS
from howfar.report import performance as words
from howfar.results import DatasetRelation, Relation, TrendVerdict


def dataset(name: str, kind: str, text: str = "said", scored: int = 40, n: int = 40) -> DatasetRelation:
    verdict = TrendVerdict(kind, text)  # type: ignore[arg-type]  # a kind by its name
    return DatasetRelation(name, n, scored, 0, 0.6 if scored else None, None, None, None, (), (), None, verdict)


def of(related: Relation, *datasets: DatasetRelation) -> Relation:
    return replace(related, datasets=datasets, pooled_verdict=TrendVerdict("falls", "falls with distance: −0.2 [−0.3, −0.1]."))


def test_lead_is_the_pooled_verdict(related: Relation) -> None:
    relation = of(related, dataset("a", "falls"), dataset("b", "none"), dataset("blank", "none", scored=0))
    assert words.lead(relation) == (
        "falls with distance: −0.2 [−0.3, −0.1]. This is over 2 datasets together, each image compared with those of its own "
        "dataset only."
    )


def test_lead_of_one_dataset_is_its_own_verdict(related: Relation) -> None:
    relation = of(related, dataset("a", "none", "no evidence either way."), dataset("blank", "none", scored=0))
    assert words.lead(relation) == "a: no evidence either way."


@pytest.mark.parametrize("datasets", [(), (dataset("blank", "none", scored=0),)])
def test_lead_without_performances(datasets: tuple[DatasetRelation, ...], related: Relation) -> None:
    assert words.lead(replace(related, datasets=datasets, pooled_verdict=None)).startswith("No image of this run has")


def test_tally_counts_every_kind_that_occurs(related: Relation) -> None:
    relation = of(related, dataset("a", "falls"), dataset("b", "none"), dataset("c", "falls"), dataset("d", "rises"))
    assert words.tally(relation) == (
        "Dataset by dataset, it falls with distance in 2 (a and c); it rises with distance in 1 (d); "
        "there is no evidence either way in 1 (b)."
    )
    assert "consistent in 1 (e)" in words.tally(of(related, dataset("a", "falls"), dataset("e", "consistent")))
    assert words.tally(of(related, dataset("a", "falls"))) == ""


def test_datasets_without_performances_are_named(related: Relation) -> None:
    new = "street photographs"
    text = f"No performance is known of {new}"
    assert words.unknown(related) == f"{text}: what to expect there stands under Estimates."
    assert words.unknown(replace(related, estimates=())) == f"{text}."
    assert words.unknown(replace(related, datasets=())) == ""
    blank = related.images.assign(foreground=related.images["foreground"].where(related.images["dataset"] != new, 0.0))
    assert words.unknown(replace(related, images=blank)).startswith(f"{text} (labelled, without foreground): ")
    scored = related.images[related.images["dataset"] != "street photographs"]
    assert words.unknown(replace(related, images=scored)) == ""


def test_sentences_are_the_verdicts_words_and_the_images_without_performance(related: Relation) -> None:
    relation = of(related, dataset("a", "falls", "falls."), dataset("b", "none", "flat", 39), dataset("c", "none", "?", 38))
    assert [one.text for one in words.sentences(relation)] == [
        "falls.",
        "flat. 1 of its 40 images has no performance.",
        "?. 2 of its 40 images have no performance.",
    ]


def test_the_common_threshold_is_named_with_its_source(related: Relation) -> None:
    assert words.how_measured(related) == (
        "Performance of an image: F at threshold 0.43. The threshold that all images share is 0.43, tuned on training & <set>."
    )
    plain = replace(related, metric="correct", settings=replace(related.settings, threshold=None))
    assert words.how_measured(plain) == "Performance of an image: correct."


def test_no_word_is_stronger_than_its_kind() -> None:
    assert VERDICTS == {
        "falls": "falls with distance",
        "rises": "rises with distance",
        "consistent": "consistent",
        "none": "no evidence either way",
    }
