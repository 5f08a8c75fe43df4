"""`howfar bench`: scores by hand, what a method is told, what is refused, and howfar's numbers against its own record."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from howfar.cli.main import run
from howfar.errors import HowfarError
from howfar.studies.bench.method_comparison import HERE, INCLUDED, Entry, bench, load_method, read_entries

ROOT = Path(__file__).parents[3]
SITES = {"a": [0.2, 0.4], "b": [0.6, 0.8], "c": [0.5, 0.6]}


def table(sites: dict[str, list[float]] = SITES, **columns: Any) -> pd.DataFrame:
    rows = [
        {"dataset": name, "image": f"{name}{i}.png", "performance": value, "signal": value / 2}
        for name, values in sites.items()
        for i, value in enumerate(values)
    ]
    return pd.DataFrame(rows).assign(**columns)


def entries(folder: Path, *tables: pd.DataFrame) -> Path:
    """Write an entry for each table: of fields x0, x1 …"""
    (folder / "entries").mkdir()
    for number, each in enumerate(tables):
        each.to_csv(folder / "entries" / f"x{number}-net-0.csv", index=False)
    return folder / "entries"


def method(folder: Path, text: str) -> str:
    (folder / "own.py").write_text(f"import numpy as np\n{text}\n")
    return str(folder / "own.py")


CONSTANT = """
def estimator(labelled, site):
    return {"images": np.full(len(site), 0.5), "low": 0.25, "high": 0.65}
def gate(labelled, site):
    return site["image"][0] != "c0.png"
"""


def test_scores_by_hand(tmp_path):
    strangers = pd.DataFrame({"dataset": ["z", "c"], "image": ["z0.png", "c0.png"], "performance": np.nan, "role": "stranger"})
    whole = pd.concat([table(role="site"), strangers.assign(dataset=["z", "y"])])
    found = bench([method(tmp_path, CONSTANT)], entries(tmp_path, whole))["methods"][0]
    answers = {row["site"]: row for row in found["answers"]}
    assert {name: row["measured"] for name, row in answers.items()} == pytest.approx({"a": 0.3, "b": 0.7, "c": 0.55})
    assert {name: row["error"] for name, row in answers.items()} == pytest.approx({"a": 0.2, "b": 0.2, "c": 0.05})
    # b: 0.4 wide, and the truth lies 0.05 above it, times 2 / 0.1.
    assert {name: row["interval_score"] for name, row in answers.items()} == pytest.approx({"a": 0.4, "b": 1.4, "c": 0.4})
    wanted = {"sites": 3, "answered": 3, "inside": 2, "set_error": 0.2, "set_error_all": 0.15, "interval_score": 0.9,
              "held": [1, 2], "misses": 2, "needless": 1, "strangers": [1, 2], "labels": None, "advised": None}  # fmt: skip
    assert {name: found[name] for name in wanted} == {
        name: pytest.approx(value) if isinstance(value, float) else value for name, value in wanted.items()
    }
    # All images of a site are scored alike: the curve is the site's mean risk.
    assert found["aurc"] == pytest.approx((0.7 + 0.3 + 0.45) / 3)


def test_advice_to_tile_and_its_harm_by_hand(tmp_path):
    tiled = table({"a": [0.3, 0.5], "b": [0.5, 0.5], "c": [0.5, 0.6]}, maps="tiled", signal=[0.5, 0.5, 0.9, 0.9, 0.3, 0.3])
    text = "def estimator(labelled, site):\n    return site['signal'].to_numpy()"
    found = bench([method(tmp_path, text)], entries(tmp_path, pd.concat([table(maps="whole"), tiled])))["methods"][0]
    assert found["advised"] == [3, 3]
    assert (found["gain"], found["worst_gain"]) == (pytest.approx((0.1 - 0.2 + 0.0) / 3), pytest.approx(-0.2))


def test_labels_for_a_twentieth_and_how_often_intervals_hold(tmp_path):
    """A half-width of 0.4 / k reaches 0.05 at k = 8; with odd seeds the interval misses."""
    text = """
def certificate(proxy, k, ask, seed):
    value = 0.5 + (seed % 2) / 4
    ask(np.arange(k))
    return value, value - 0.4 / k, value + 0.4 / k
"""
    site = {"a": [0.4, 0.6] * 15, "b": [0.4, 0.6]}
    found = bench([method(tmp_path, text)], entries(tmp_path, table(site)))["methods"][0]
    assert (found["labels"], found["certified"]) == (8.0, 0.5)
    assert [row["labels"] for row in found["answers"]] == [8.0, None]


def test_a_method_is_told_nothing_of_the_site_but_its_signals():
    entry = Entry("x-net-0", table(role="site", maps="whole"))
    labelled, site, performance = entry.question("b")
    assert set(labelled["dataset"]) == {"a", "c"}
    assert list(site) == ["image", "signal"]
    assert performance.tolist() == [0.6, 0.8]


ESTIMATOR = "def estimator(labelled, site):\n    return "
BAD = {
    "no function": ("x = 1", "own.py must define one of the functions estimator, gate, selector, certificate"),
    "no Python": ("def", "own.py cannot be imported (SyntaxError: "),
    "exception": (ESTIMATOR + "1 / 0", "own.py: estimator failed on a of x0-net-0 (ZeroDivisionError: division by zero)"),
    "arguments": ("def gate(): return True", "gate failed on a of x0-net-0 (TypeError: gate() takes 0 positional"),
    "length": (ESTIMATOR + "[0.5]", "estimator on a of x0-net-0: images must have 2 values, one an image, got 1"),
    "shape": (ESTIMATOR + "np.ones((2, 1))", "images must be one row of numbers, got (2, 1)"),
    "NaN": (ESTIMATOR + "[0.5, np.nan]", "images must be finite, got 'nan at position 1'"),
    "texts": (ESTIMATOR + "['a', 'b']", "images must be numbers: could not convert"),
    "range": (ESTIMATOR + "[0.5, 1.5]", "images must lie between 0 and 1, got 1.5"),
    "keys": (ESTIMATOR + "{'images': [0.5, 0.5], 'low': 0.1}", "must return (m,) values, or a mapping of some of images, mean"),
    "mean": (ESTIMATOR + "{'images': [0.5, 0.5], 'mean': [1, 2]}", "mean must be one row of numbers, got (1, 2)"),
    "gate": ("def gate(labelled, site): return 0.5", "own.py: gate must return True or False, got 0.5"),
    "ranking": ("def selector(labelled, site): return [1.0]", "selector on a of x0-net-0 must have 2 values"),
    "ends": ("def certificate(p, k, ask, seed): return 0.5, 0.6, 0.4", "low at most high, got [0.5, 0.6, 0.4]"),
    "two of three": ("def certificate(p, k, ask, seed): return 0.5, 0.6", "value, low and high must have 3 values"),
    "more labels": ("def certificate(p, k, ask, seed): ask(np.arange(9))", "indices must be of at most 4 images, got 9"),
    "no indices": ("def certificate(p, k, ask, seed): ask([0.5])", "must be one row of whole numbers from 0 to 19"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_a_bad_method_gets_one_line(text, said, tmp_path, capsys):
    sites = {name: values * 10 for name, values in SITES.items()} if "certificate" in text else SITES
    code = run(["bench", method(tmp_path, text), "--entries", str(entries(tmp_path, table(sites)))])
    err = capsys.readouterr().err
    assert (code, err.count("\n")) == (2, 1)
    assert said in err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda each: each.drop(columns="performance"), "has no column performance"),
        (lambda each: each.assign(performance=2.0), "must lie between 0 and 1"),
        (lambda each: each.assign(performance="good"), "column performance must hold numbers"),
        (lambda each: each.drop(columns="dataset"), "has no column dataset"),
        (lambda each: pd.concat([each, each]), "image a0.png is there twice"),
        (None, "must hold Parquet or CSV files"),
    ],
    ids=["column", "range", "text", "dataset", "twice", "empty"],
)
def test_a_bad_entry_gets_one_line(change, said, tmp_path):
    folder = entries(tmp_path, *([] if change is None else [change(table())]))
    with pytest.raises(HowfarError, match=said) as raised:
        bench(["mean"], folder)
    assert "\n" not in str(raised.value)


def test_no_code_runs_that_was_not_named(tmp_path, monkeypatch):
    """Neither a file beside the entries, nor one in this folder that is called as an included method."""
    folder = entries(tmp_path, table())
    for place in (tmp_path / "mean.py", tmp_path / "ppi.py", folder / "own.py"):
        place.write_text("raise SystemExit('it ran')")
    monkeypatch.chdir(tmp_path)
    assert [one["method"] for one in bench(["mean", "ppi"], folder)["methods"]] == ["mean", "ppi"]
    with pytest.raises(HowfarError, match="method must be a Python file, a registered estimator or one of howfar, mean"):
        load_method("own")


def test_the_random_certificate_is_students_t():
    truth = np.random.default_rng(1).random(40)
    chosen = np.random.default_rng(5).choice(40, 10, replace=False)
    found = load_method("random").functions["certificate"](truth, 10, lambda indices: truth[indices], 5)
    wanted = stats.t.interval(0.9, 9, truth[chosen].mean(), stats.sem(truth[chosen]))
    assert found == pytest.approx((truth[chosen].mean(), *wanted))


@pytest.mark.parametrize("name", ["ppi", "ssepy"])
def test_a_rival_holds_its_level_on_many_labels_and_gains_from_predictions(name):
    rng = np.random.default_rng(0)
    truth = rng.random(1000)
    certify, good = load_method(name).functions["certificate"], np.clip(truth + rng.normal(0, 0.05, 1000), 0, 1)
    found = {key: np.array([certify(proxy, 100, lambda at: truth[at], seed) for seed in range(200)])
             for key, proxy in {"good": good, "none": rng.random(1000)}.items()}  # fmt: skip
    for drawn in found.values():
        assert np.mean((drawn[:, 1] <= truth.mean()) & (truth.mean() <= drawn[:, 2])) >= 0.84
    assert np.ptp(found["good"][:, 1:], axis=1).mean() < 0.5 * np.ptp(found["none"][:, 1:], axis=1).mean()


@pytest.fixture(scope="module")
def vessels(tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("entries")
    shutil.copy(HERE / "entries" / "vessels-frozen-0.parquet", folder)
    return {one["method"]: one for one in bench(INCLUDED, folder)["methods"]}


def recorded() -> dict[tuple[str, str], dict[str, Any]]:
    rows = json.loads((ROOT / "benchmarks/results/answer.json").read_text(encoding="utf-8"))["results"]["rows"]
    return {(row["model"], row["site"]): row for row in rows}


def same(answers: list[dict[str, Any]]) -> None:
    for answer in answers:
        row = recorded()[answer["entry"], answer["site"]]
        names = {"estimate": "mean", "low": "low", "high": "high", "measured": "measured", "images held": "images_held"}
        assert {name: round(answer[own], 4) for name, own in names.items()} == {name: row[name] for name in names}
        assert answer["inside"] == row["inside"]


def test_howfar_mean_and_atc_say_what_the_record_of_answers_says(vessels):
    same(vessels["howfar"]["answers"])
    for name in ("mean", "atc"):
        for answer in vessels[name]["answers"]:
            error = recorded()[answer["entry"], answer["site"]][f"error, {name}"]
            assert answer["mean"] - answer["measured"] == pytest.approx(error, abs=1e-4)


def test_every_included_method_answers(vessels):
    ranked = {name for name, one in vessels.items() if one["aurc"] is not None}
    assert ranked == set(INCLUDED) - {"ppi", "ssepy"}
    assert {name for name, one in vessels.items() if one["set_error"] is not None} == ranked - {"pairwise_dice", "random"}
    assert {name: one["answered"] for name, one in vessels.items()} == dict.fromkeys(INCLUDED, 4) | {"ppi": 1, "ssepy": 1}
    assert {name for name, one in vessels.items() if one["labels"]} == {"howfar", "ppi", "ssepy", "random"}
    assert vessels["howfar"]["strangers"] == [7, 7]


def test_the_record_of_the_bench_says_what_the_record_of_answers_says():
    record = json.loads((ROOT / "benchmarks/results/bench.json").read_text(encoding="utf-8"))["results"]
    howfar = next(one for one in record["methods"] if one["method"] == "howfar")
    assert len(howfar["answers"]) == len(recorded())
    same(howfar["answers"])
    assert record["entries"] == [entry.name for entry in read_entries(HERE / "entries")]


def test_the_command_prints_tables_and_json(tmp_path, capsys):
    folder = entries(tmp_path, table(), table())
    asked = ["bench", method(tmp_path, CONSTANT), "mean", "--entries", str(folder)]
    assert run(asked) == 0
    out = capsys.readouterr().out
    assert "2 methods on 6 sites of 2 models in 2 fields." in out
    assert "4 of 6" in out
    assert "No entry has maps by tiles: the harm of adapting is not known." in out
    assert run([*asked, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["method"] for one in document["methods"]] == ["own", "mean"]
    assert set(document["methods"][0]["by_field"]) == {"x0", "x1"}
