"""Picks are kept whole, read strictly, and handed over by `howfar select --picked` as a strategy's choice would be."""

import json
from pathlib import Path

import pytest

from explore_names import FORMULA, HOSTILE, SITES
from howfar.cli.main import run as command
from howfar.errors import InputError, StoreError
from howfar.explore.page_server_and_picks import FILE, Picked, picked_by_dataset, read_picks, selections, write_picks
from howfar.results import Comparison

PICKS = (Picked(SITES[0], HOSTILE), Picked(SITES[1], "0003.jpg"), Picked(SITES[0], FORMULA))


def test_picks_are_read_as_written(run: Path) -> None:
    write_picks(run, PICKS)
    assert read_picks(run) == PICKS
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 1, "picks": [{"dataset": "a"}]}', '{"format": 1, "picks": [3]}', "[" * 9999]
)
def test_damaged_picks_are_refused_in_a_line(run: Path, text: str) -> None:
    (run / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match="is damaged: pick the images again"):
        read_picks(run)


def test_picks_of_another_format_are_refused(run: Path) -> None:
    (run / FILE).write_text(json.dumps({"format": 2, "picks": []}), encoding="utf-8")
    with pytest.raises(StoreError, match="is of format 2"):
        read_picks(run)


def test_a_pick_must_be_of_the_run(comparison: Comparison) -> None:
    assert picked_by_dataset(comparison, [*PICKS, PICKS[0]]) == {SITES[0]: [HOSTILE, FORMULA], SITES[1]: ["0003.jpg"]}
    for stranger in (Picked(SITES[0], "none.png"), Picked("roads", "0001.jpg"), Picked("no set", "0001.jpg")):
        with pytest.raises(InputError, match="must name images of the run's secondary datasets"):
            picked_by_dataset(comparison, [stranger])


def test_a_selection_for_each_dataset(run: Path, tmp_path: Path) -> None:
    write_picks(run, PICKS)
    made = selections(run)
    assert list(made) == list(SITES)
    chosen = made[SITES[0]](out=tmp_path / "out")
    assert [pick.image for pick in chosen.picks] == [HOSTILE, FORMULA]
    assert chosen.strategy == "picked"
    assert [image["file_name"] for image in json.loads((tmp_path / "out" / "coco.json").read_text())["images"]] == [
        HOSTILE,
        FORMULA,
    ]


def test_the_command(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_picks(run, PICKS)
    assert command(["select", str(run), "--picked"]) == 0
    assert "2 of 14 images of site <b>a, chosen by picked" in capsys.readouterr().out
    assert (run / "select-tunnel" / "chosen.txt").is_file()
    assert command(["select", str(run), "--picked", "--json", "--dataset", SITES[1]]) == 0
    (one,) = json.loads(capsys.readouterr().out)["selections"]
    assert [pick["image"] for pick in one["picks"]] == ["0003.jpg"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--picked", "-k", "3"], "k must be left out with --picked"),
        (["--picked", "--strategy", "near"], "strategy must be left out with --picked"),
        (["--picked", "--seed", "3"], "seed must be left out with --picked"),
        (["--picked", "--dataset", "roads"], "dataset must have images that were picked"),
    ],
)
def test_options_that_do_not_go_together(run, arguments, line, capsys):
    write_picks(run, PICKS)
    assert command(["select", str(run), *arguments]) == 2
    assert line in capsys.readouterr().err
