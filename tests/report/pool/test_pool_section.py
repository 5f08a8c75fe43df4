"""The section of a pool of models: what it says is what its numbers say."""

from __future__ import annotations

from pathlib import Path

import pytest

from believable_pool import MODELS, SECONDARIES, make
from howfar.paper import pool_answers, pool_report
from howfar.paper.pool_report import section
from howfar.report.section import Context, Section
from howfar.results.segmenter_studies import WISHES, Pool


def made(pool: Pool) -> Section:
    return section(pool, Context(Path("pool")))


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


def test_scores_show_m_and_the_most_images_on_every_dataset() -> None:
    pool = make()
    table = pool_report.scores(pool)
    assert len(table.rows) == len(MODELS) * 2 * len(SECONDARIES)
    row = pool.scores[pool.scores["shots"].isin([0, 7])].iloc[4]
    shown = [cell.text for cell in table.rows[4]]
    assert shown[:4] == [row["model"], str(row["shots"]), row["dataset"], "40"]
    assert shown[4] == f"{row['ods']:.3f}"
    assert shown[7].startswith(f"{row['precision']:.2f} [{row['precision_low']:.2f}")


def test_it_comes_back_from_its_files_as_it_was(tmp_path: Path) -> None:
    pool = make(weights={"recall": 2.0, "fast": 1.0}, blind=("new",), level=0.95)
    again = Pool.load(pool.save(tmp_path))
    assert made(again).lead == made(pool).lead
    assert repr(again) == repr(pool)
    assert again.weights == {"recall": 2.0, "fast": 1.0}
    assert set(make().wishes) == set(WISHES)
