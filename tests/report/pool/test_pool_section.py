"""The section of a pool of models: what it says is what its numbers say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from believable_pool import MODELS, SECONDARIES, make
from howfar.paper import pool_answers, pool_report
from howfar.paper.pool_report import section
from howfar.report.section import Context, Section, TablePart
from howfar.results.segmenter_studies import WISHES, Pool


def made(pool: Pool) -> Section:
    return section(pool, Context(Path("pool")))


def test_a_sure_answer_names_the_model() -> None:
    lead = pool_answers.lead(make())
    assert lead.startswith("For precision adsam (first in 100 % of draws); for recall deepcrack")
    assert "for speed unetplusplus" in lead


def test_an_unsure_answer_names_those_that_may_be_first() -> None:
    pool = make(noise=0.15, wishes=("stable",))
    lead = pool_answers.lead(pool)
    assert lead.startswith("For stability no model stands out (first in draws: deepcrack in ")
    assert "unetplusplus in" in lead


def test_an_answer_that_is_likely_is_called_so() -> None:
    pool = make(wishes=("recall",))
    pool.rankings["first"] = pool.rankings["model"].map({"deepcrack": 0.85, "adsam": 0.1, "unetplusplus": 0.05})
    assert pool_answers.lead(pool) == "For recall probably deepcrack (first in 85 % of draws)."


@pytest.mark.parametrize("wish", ["precision", "recall"])
def test_reasons_hold_the_numbers_of_the_first_and_the_next(wish: str) -> None:
    pool = make()
    best, second = pool.ranking(wish).to_dict("records")[:2]
    said = pool_answers.reason(pool, wish)
    assert said.startswith(f"{best['model']}: {wish} {best['value']:.2f} [{best['low']:.2f}, {best['high']:.2f}] (with ")
    assert f"against {second['value']:.2f}" in said
    assert f"the difference is +{best['value'] - second['value']:.3f}" in said
    other = "recall" if wish == "precision" else "precision"
    rows = pool.scores[(pool.scores["model"] == second["model"]) & (pool.scores["shots"] == 7)]
    assert f" of {second['model']} (with {other} {rows[other].mean():.2f}); the" in said


def test_a_model_that_predicts_nothing_somewhere_is_said_to_have_no_precision() -> None:
    pool = make()
    predicts = (pool.scores["model"] == "adsam") | (pool.scores["dataset"] != "tunnel")
    pool.scores["precision"] = pool.scores["precision"].where(predicts)
    columns = ["value", "low", "high", "over", "over_low", "over_high"]
    pool.rankings.loc[pool.rankings["model"] != "adsam", columns] = np.nan
    said = pool_answers.reason(pool, "precision")
    assert said.endswith("unetplusplus and deepcrack have no precision on some dataset, as nothing is predicted there.")
    assert "nan" not in said
    assert "deepcrack to recall on 3 and predicting nothing on 1" in pool_answers.leans(pool, 7)
    pool.rankings.loc[:, columns] = np.nan
    assert pool_answers.reason(pool, "precision").startswith(
        "With 7 images of each, mean of 3 datasets: every model has no precision"
    )


def test_labels_needed_are_said_for_all_models() -> None:
    said = pool_answers.reason(make(level=0.5), "few labels")
    assert said.startswith(
        "Mean F 0.5 is reached by deepcrack with 7 images of each, and not by unetplusplus and adsam with up to 7"
    )
    never = pool_answers.reason(make(level=0.95), "few labels")
    assert never.startswith("No model reaches mean F 0.95 with up to 7 images of each, so that the gain decides.")
    assert pool_answers.reason(make(level=0.3), "few labels").startswith("Mean F 0.3 is reached by deepcrack without images")


def test_the_papers_claim_is_judged_by_the_numbers() -> None:
    said = pool_answers.papers_claim(make())
    assert said.startswith("The paper suggests (section 5) ADSAM for precision: precision is 0.41 against 0.35 of unetplusplus")
    assert said.count("as suggested") == 4
    swapped = make()
    swapped.scores["precision"] = swapped.scores["precision"].where(swapped.scores["model"] != "adsam", 0.01)
    assert "against it" in pool_answers.papers_claim(swapped)
    assert pool_answers.papers_claim(make(models=("unetplusplus", "deepcrack"))).count("suggested)") == 2
    plain = make()
    plain.costs["segmenter"] = "unetplusplus"
    assert pool_answers.papers_claim(plain) == ""
    assert len(made(plain).sentences) == len(made(make()).sentences) - 1


def test_leans_count_the_datasets_whose_interval_leaves_zero_out() -> None:
    said = pool_answers.leans(make(), 0)
    assert "deepcrack to recall on 3; adsam to precision on 3." in said
    assert "unetplusplus to neither" in said


def test_one_seed_and_images_left_out_are_said() -> None:
    one, several = pool_answers.limits(make()), pool_answers.limits(make(seeds=3))
    assert "one seed" in one[0]
    assert "3 trainings" in several[0]
    assert "own threshold was tuned" in one[2]
    assert "own threshold is 0.5" in pool_answers.limits(make(tuned=False))[2]
    assert "12 images that some model was not scored on" in one[1]
    assert "Model 7 with 2 cores, 1 thread, one image at a time" in one[-1]


@pytest.mark.parametrize(
    "changes", [{}, {"seeds": 2, "noise": 0.1}, {"weights": {"fast": 1.0, "stable": 3.0}, "blind": ("new",)}]
)
def test_every_table_is_whole(changes: dict[str, Any]) -> None:
    pool = make(**changes)
    parts = [part for part in made(pool).parts if isinstance(part, TablePart)]
    assert len({part.name for part in parts}) == len(parts) == len(pool.answered()) + 6
    for part in parts:
        assert part.table.rows
        assert {len(row) for row in part.table.rows} == {len(part.table.columns)}


def test_scores_show_m_and_the_most_images_on_every_dataset() -> None:
    pool = make()
    table = pool_report.scores(pool)
    assert len(table.rows) == len(MODELS) * 2 * len(SECONDARIES)
    row = pool.scores[pool.scores["shots"].isin([0, 7])].iloc[4]
    shown = [cell.text for cell in table.rows[4]]
    assert shown[:4] == [row["model"], str(row["shots"]), row["dataset"], "40"]
    assert shown[4] == f"{row['ods']:.3f}"
    assert shown[7].startswith(f"{row['precision']:.2f} [{row['precision_low']:.2f}")


def test_what_no_number_of_images_reached_is_said() -> None:
    table = pool_report.labels(make(level=0.95))
    assert {row[-2].text for row in table.rows} == {"not reached"}
    ranks = pool_report.ranks(make(level=0.95), "few labels")
    assert {row[1].text for row in ranks.rows} == {"not reached"}


def test_slopes_have_their_verdict() -> None:
    pool = make()
    cells = [cell.text for row in pool_report.slopes(pool).rows for cell in row[2:]]
    assert len(cells) == len(MODELS) * len(SECONDARIES) * 4
    for verdict in ("falls", "rises"):
        assert sum(cell.endswith(verdict) for cell in cells) == (pool.scores["verdict"] == verdict).sum()
    pool.scores[["slope", "slope_low", "slope_high"]] = np.nan
    assert {cell.text for row in pool_report.slopes(pool).rows for cell in row[2:]} == {"–"}


def test_it_comes_back_from_its_files_as_it_was(tmp_path: Path) -> None:
    pool = make(weights={"recall": 2.0, "fast": 1.0}, blind=("new",), level=0.95)
    again = Pool.load(pool.save(tmp_path))
    assert made(again).lead == made(pool).lead
    assert repr(again) == repr(pool)
    assert again.weights == {"recall": 2.0, "fast": 1.0}
    assert set(make().wishes) == set(WISHES)
