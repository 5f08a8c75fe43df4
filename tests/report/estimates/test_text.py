from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from howfar.report import estimates as words
from howfar.results import Choice, Judgement, Relation, SetEstimate

SETS = ("a", "b", "c", "d", "e", "f")


def judged(
    name: str, kind: str, image: float, of_set: float, sets: int = 6, errors: tuple[float, ...] | None = None
) -> Judgement:
    found = dict(zip(SETS, errors or (of_set,) * 6, strict=True))
    return Judgement(name, kind, sets, 60 * sets, image, of_set, 0.9, 0.4, 0.7, 0.7, 0.3, found)


MEAN = judged("mean", "baseline", 0.2, 0.1)
KNN = judged("knn", "distance", 0.3, 0.2)
BEST = judged("flip_agreement", "agreement", 0.08, 0.04)


def choices_of(judgements: Sequence[Judgement]) -> tuple[Choice, ...]:
    """Choosing is worth what the winner's judgement says."""
    most = max((one.sets for one in judgements), default=0)
    found = []
    for among in ("all", "distance"):
        of_kind = [one for one in judgements if one.sets == most and among in ("all", one.kind)]
        for one in sorted(of_kind, key=lambda one: one.mae_image)[:1]:
            picked = dict.fromkeys(one.set_errors, one.estimator)
            found.append(Choice(among, one.estimator, one.sets, one.mae_image, one.mae_set, picked, one.set_errors))
    return tuple(found)


def of(related: Relation, *judgements: Judgement, estimator: str | None = "flip_agreement") -> Relation:
    return replace(related, judgements=judgements, choices=choices_of(judgements), estimator=estimator)


def test_lead_names_the_best_beside_the_mean(related: Relation) -> None:
    assert words.lead(of(related, MEAN, KNN, BEST)) == (
        "3 estimators were judged on 6 labelled datasets, each left out in turn. The best, “flip_agreement”, misses a "
        "dataset's mean performance by 0.040 and an image's by 0.080; predicting the mean misses by 0.100 and 0.200. Chosen "
        "for that, it is flattered: an estimator chosen without the dataset that it is then tried on misses by 0.040 and 0.080."
    )


def test_lead_says_where_nothing_beats_the_mean(related: Relation) -> None:
    assert "None beats predicting the mean, which misses a dataset's mean performance by 0.100" in words.lead(
        of(related, MEAN, KNN)
    )


def test_lead_says_where_the_mean_alone_was_judged(related: Relation) -> None:
    alone = of(related, judged("mean", "baseline", 0.2, 0.1, sets=1), estimator="mean")
    assert words.lead(alone) == (
        "Only predicting the mean could be judged, on 1 labelled dataset, left out: it misses a dataset's mean performance by "
        "0.100 and an image's by 0.200."
    )


def test_lead_says_what_judging_takes(related: Relation) -> None:
    one, blank = related.datasets[0], replace(related.datasets[1], scored=0)
    for datasets, here in ((), "is none"), ((one, blank), "is one"):
        text = words.lead(replace(related, judgements=(), estimator=None, datasets=datasets))
        assert text.startswith("No estimator could be judged")
        assert text.endswith(f"here {here}.")


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (judged("knn", "distance", 0.3, 0.2), "Alone, distance is no estimator of performance here"),
        (judged("knn", "distance", 0.2, 0.1), "Alone, distance is no estimator of performance here"),
        (judged("knn", "distance", 0.1998, 0.0997), "Alone, distance is no estimator of performance here"),
        (judged("knn", "distance", 0.1, 0.2), "beats predicting the mean for images, not for datasets"),
        (judged("knn", "distance", 0.3, 0.05), "beats predicting the mean for datasets, not for images"),
        (judged("knn", "distance", 0.1, 0.05), "mean here, coming nearer to the truth in 6 of 6 datasets."),
        (
            judged("knn", "distance", 0.1, 0.05, errors=(0.0, 0.0, 0.0, -0.3, 0.3, 0.2)),
            "here on average, but comes nearer to the truth in only 3 of 6 datasets",
        ),
    ],
)
def test_what_distance_is_worth(distance: Judgement, expected: str, related: Relation) -> None:
    assert expected in words.distance(of(related, MEAN, distance, BEST))


def test_without_a_choice_distance_is_that_which_is_fixed_beforehand(related: Relation) -> None:
    lucky = judged("mahalanobis", "distance", 0.05, 0.02)
    relation = replace(of(related, MEAN, KNN, lucky, BEST), choices=())
    assert (
        words.distance(relation) == "Alone, distance is no estimator of performance here: it does not beat predicting the mean."
    )
    assert "“mahalanobis” errs least" in words.distance_numbers(relation)
    better = replace(of(related, MEAN, judged("knn", "distance", 0.1, 0.05)), choices=())
    assert words.distance(better).endswith("mean here, coming nearer to the truth in 6 of 6 datasets.")


def test_lead_says_what_the_estimator_in_use_misses_by(related: Relation) -> None:
    consensus = judged("consensus", "combined", 0.09, 0.05)
    relation = replace(of(related, MEAN, consensus, BEST, estimator="consensus"), choices=())
    assert words.lead(relation).endswith("“consensus”, by which the estimates are made, misses by 0.050 and 0.090.")
    assert words.lead(replace(relation, estimator="flip_agreement")).endswith("predicting the mean misses by 0.100 and 0.200.")


def test_few_datasets_may_be_chance(related: Relation) -> None:
    mean, knn = (
        replace(one, sets=3, set_errors=dict.fromkeys(SETS[:3], one.mae_set))
        for one in (MEAN, judged("knn", "distance", 0.1, 0.05))
    )
    assert words.distance(of(related, mean, knn)).endswith("in 3 of 3 datasets, so few that it may be chance.")


def test_two_distances_may_be_best_at_two_things(related: Relation) -> None:
    other = judged("i_dist", "distance", 0.35, 0.15)
    relation = of(related, MEAN, KNN, other)
    assert words.distance_numbers(relation) == (
        "Of the distances “knn” errs least for an image, by 0.300, and “i_dist” for a dataset's mean, by 0.150; predicting the "
        "mean 0.200 and 0.100. Chosen without the dataset, a distance misses by 0.300 and 0.200."
    )
    assert "“knn” errs least: by 0.300 for an image and by 0.200" in words.distance_numbers(of(related, MEAN, KNN))


def test_nothing_is_said_of_distance_where_it_was_not_judged(related: Relation) -> None:
    for relation in (of(related), of(related, MEAN, BEST)):
        assert words.distance(relation) == words.distance_numbers(relation) == ""


def test_an_estimator_judged_on_fewer_sets_is_not_compared(related: Relation) -> None:
    easy = judged("knn", "distance", 0.01, 0.01, sets=2)
    relation = of(related, MEAN, easy, BEST)
    assert words.distance(relation) == ""
    assert "The best, “flip_agreement”" in words.lead(relation)
    assert words.fewer(relation).startswith("“knn” could be judged on fewer datasets only, as the others lack what it reads")
    assert words.fewer(of(related, MEAN, BEST)) == ""


@pytest.mark.parametrize(("added", "expected"), [(0.07, "helps"), (0.09, "makes them worse"), (0.0801, "changes nothing")])
def test_what_distances_add_to_the_signals(added: float, expected: str, related: Relation) -> None:
    both = judged("signals", "combined", 0.08, 0.04), judged("all", "combined", added, 0.04)
    text = words.addition(of(related, MEAN, *both))
    assert f"confidence and agreement {expected}: an image is missed by {added:.3f} with them and by 0.080 without." in text
    assert words.addition(of(related, MEAN, both[0])) == ""


def test_which_estimator_is_in_use_and_why(related: Relation) -> None:
    def only(name: str) -> Relation:
        return replace(of(related, MEAN, KNN, BEST, estimator=name), estimates=_by(related, name))

    assert words.in_use(only("flip_agreement")) == "The estimates are by “flip_agreement”."
    least = "not by “flip_agreement”, whose error here is the least."
    assert words.in_use(only("knn")) == f"The estimates are by “knn”, {least}"
    asked = replace(only("knn"), settings=replace(related.settings, estimator="knn"))
    assert words.in_use(asked) == f"The estimates are by “knn”, as was asked for, {least}"
    unjudged = replace(related, judgements=(), estimator="mean", estimates=_by(related, "mean"))
    assert words.in_use(unjudged) == "The estimates are by “mean”, which nothing here could test."
    assert words.in_use(replace(related, estimates=())) == ""
    first, *rest = _by(related, "flip_agreement")
    mixed = replace(of(related, MEAN, BEST), estimates=(replace(first, estimator="mean"), *rest))
    assert words.in_use(mixed).endswith("Where a dataset lacks what it reads, “mean” stands in.")


@pytest.mark.parametrize("name", ["consensus", "mean"])
def test_the_estimator_is_fixed_beforehand(related: Relation, name: str) -> None:
    consensus = judged("consensus", "combined", 0.09, 0.05)
    relation = replace(of(related, MEAN, consensus, BEST, estimator=name), estimates=_by(related, name), choices=())
    assert words.in_use(relation) == (
        f"The estimates are by “{name}”, which is fixed beforehand, since the least error of many is partly luck, not by "
        "“flip_agreement”, whose error here is the least."
    )
    assert "flattered" not in words.lead(relation)


def test_an_earlier_runs_choice_is_told(related: Relation) -> None:
    blind = choices_of((MEAN, KNN, replace(BEST, mae_image=0.21)))
    relation = replace(of(related, MEAN, KNN, BEST, estimator="mean"), estimates=_by(related, "mean"), choices=blind)
    assert "tried on misses by 0.100" in words.lead(relation)


def test_the_mean_is_not_flattered(related: Relation) -> None:
    relation = replace(of(related, MEAN, KNN, estimator="mean"), estimates=_by(related, "mean"))
    assert words.in_use(relation) == "The estimates are by “mean”."


def test_intervals_of_sets_are_counted(related: Relation) -> None:
    inside, outside = (SetEstimate(name, "mean", 9, 0.5, 0.4, 0.6, 0.5, value) for name, value in (("a", 0.6), ("b", 0.61)))
    text = words.set_intervals(replace(related, estimates=(inside, outside)))
    assert text.endswith("Of 2 labelled datasets, each left out in turn, 1 has its mean within the interval.")
    new = replace(inside, measured=None)
    assert "each left out in turn" not in words.set_intervals(replace(related, estimates=(new,)))
    assert not new.held
    assert inside.held
    assert not outside.held


@pytest.mark.parametrize(("coverage", "short"), [(0.9, False), (0.86, False), (0.84, True)])
def test_intervals_of_images_say_what_held(coverage: float, short: bool, related: Relation) -> None:
    text = words.image_intervals(of(related, MEAN, replace(BEST, coverage=coverage)))
    assert f"{100 * coverage:.0f} % of its images' intervals held, at a mean length of 0.40" in text
    assert ("too short" in text) == short
    assert "nothing promises it" in text
    assert words.image_intervals(of(related)).endswith("nothing promises it.")


def test_unlabelled_sets_are_named_with_their_intervals(related: Relation) -> None:
    (new,) = [one for one in related.estimates if one.measured is None]
    assert f"street photographs {new.predicted:.2f} [{new.low:.2f}, {new.high:.2f}]." in words.unlabelled(related)
    wide = replace(related, estimates=(replace(new, low=0.1, high=0.7),))
    assert "street photographs not known yet." in words.unlabelled(wide)
    assert "; 3 more in the table." in words.unlabelled(replace(related, estimates=(new,) * 7))
    labelled = tuple(one for one in related.estimates if one.measured is not None)
    assert words.unlabelled(replace(related, estimates=labelled)) == ""


def test_every_estimator_of_ours_is_explained() -> None:
    from howfar import registry

    assert set(words.ESTIMATORS) == set(registry.OURS["estimators"])


def _by(related: Relation, name: str) -> tuple[SetEstimate, ...]:
    return tuple(replace(one, estimator=name) for one in related.estimates)


def test_names_of_estimators_are_quoted() -> None:
    assert words.quoted(["all"]) == ["“all”"]
