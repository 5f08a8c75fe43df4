"""Every dataset against every other: the numbers of compare, each pair once, gone on with after a kill, anew where it must."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

import howfar
from howfar import registry
from howfar.arrays import as_rows
from howfar.data import parse
from howfar.errors import HowfarError, InputError, StoreError
from howfar.results import Features
from howfar.results.matrix_result import Matrix
from howfar.runners import RayRunner
from howfar.studies import distance_matrix
from howfar.studies.distance_matrix import JOURNAL, PairJournal
from undrawn import REPORTS

pytestmark = pytest.mark.usefixtures("undrawn")
SIZES = {"a": 40, "b": 30, "c": 25, "d": 20}


def sets(q: int = 12, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(i, 1 + 0.2 * i, size=(n, q)) for i, (name, n) in enumerate(SIZES.items())}


def measure(datasets: Any = None, **options: Any) -> Matrix:
    return howfar.matrix(sets() if datasets is None else datasets, **{"progress": False, "components": 5, **options})


@contextmanager
def stopped_after(count: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stop a run when it has kept so many pairs, as a kill does."""
    add, kept = PairJournal.add, list[str]()

    def stop(self: PairJournal, key: str, row: dict[str, Any]) -> None:
        add(self, key, row)
        kept.append(key)
        if len(kept) == count:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PairJournal, "add", stop)
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by 1 with each pair that is measured."""
    calls: list[int] = []
    plain = distance_matrix.between

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return plain(*arguments)

    monkeypatch.setattr(distance_matrix, "between", counted)
    return calls


@pytest.mark.parametrize("q", [12, 200])
@pytest.mark.parametrize("scale", ["none", "layers"])
def test_each_pair_has_the_numbers_of_compare(q: int, scale: str) -> None:
    known = sets(q)
    found = measure(known, scale=scale, bootstrap=50)
    for one, other in (("a", "c"), ("b", "d")):
        pair = found.pairs.set_index(["one", "other"]).loc[(one, other)]
        there, back = (
            howfar.compare(known[p], {s: known[s]}, components=5, scale=scale, permutations=0, bootstrap=50).datasets[0]
            for p, s in ((one, other), (other, one))
        )
        for name in ("o_dist_mean", "energy", "explained_variance"):
            assert pair[name] == pytest.approx(getattr(there, name), rel=1e-9)
        assert pair["relative_one"] == pytest.approx(there.relative, rel=1e-9)
        assert pair["relative_other"] == pytest.approx(back.relative, rel=1e-9)
        assert pair["self_one"] == pytest.approx(there.self_distance, rel=1e-9)
        assert pair["self_other"] == pytest.approx(back.self_distance, rel=1e-9)
        assert pair["inhomogeneity"] == pytest.approx(there.energy / (2 * there.o_dist_mean), rel=1e-9)
        for name in ("o_dist_mean", "relative_one", "relative_other", "energy"):
            assert pair[f"{name}_ci_low"] < pair[name] < pair[f"{name}_ci_high"]


def test_in_one_space_and_in_all_dimensions() -> None:
    known = sets()
    found = measure(known, projection="joint")
    rows = PCA(5, svd_solver="full").fit_transform(np.concatenate(list(known.values())))
    parts = dict(zip(known, np.split(rows, np.cumsum(list(SIZES.values()))[:-1]), strict=True))
    for row in found.pairs.to_dict("records"):
        assert row["o_dist_mean"] == pytest.approx(cdist(parts[row["one"]], parts[row["other"]]).mean(), rel=1e-9)
    selves = found.pairs.groupby("one")["self_one"].nunique()
    assert (selves == 1).all()
    for row in measure(known, projection="none").pairs.to_dict("records"):
        assert row["o_dist_mean"] == pytest.approx(cdist(known[row["one"]], known[row["other"]]).mean(), rel=1e-9)


def test_a_run_that_was_stopped_is_gone_on_with(tmp_path: Path, measured: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure()
    del measured[:]
    with stopped_after(4, monkeypatch):
        measure(out=tmp_path)
    assert len((tmp_path / JOURNAL).read_text().splitlines()) == 4
    assert (tmp_path / distance_matrix.SUMS).is_dir()
    # A line with a flipped bit, and what a kill leaves of a line.
    text = (tmp_path / JOURNAL).read_text()
    place = text.index(".", text.index('"o_dist_mean": ')) + 1
    (tmp_path / JOURNAL).write_text(f'{text[:place]}{int(text[place]) ^ 1}{text[place + 1 :]}{{"key": "abc", "o_di')
    del measured[:]
    found = measure(out=tmp_path)
    assert len(measured) == 3
    pd.testing.assert_frame_equal(found.pairs, whole.pairs, check_exact=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["matrix.json", "pairs.parquet"]


def test_a_dataset_more_is_measured_alone(tmp_path: Path, measured: list[int]) -> None:
    known = sets()
    measure({name: known[name] for name in "abc"}, out=tmp_path)
    found = measure(known, out=tmp_path)
    assert len(measured) == 3 + 3
    pd.testing.assert_frame_equal(found.pairs, measure(known).pairs, check_exact=True)


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ({"components": 4}, 6),
        ({"bootstrap": 20}, 6),
        ({"projection": "joint"}, 6),
        ({"limit": 22}, 6),
        # Nothing is drawn: nothing changes.
        ({"seed": 1}, 0),
        ({"limit": 99}, 0),
    ],
)
def test_what_changes_is_measured_anew(change: dict[str, Any], anew: int, tmp_path: Path, measured: list[int]) -> None:
    measure(out=tmp_path)
    del measured[:]
    measure(out=tmp_path, **change)
    assert len(measured) == anew


def test_a_flipped_bit_of_the_table_is_measured_anew(tmp_path: Path, measured: list[int]) -> None:
    whole = measure(out=tmp_path)
    data = bytearray((tmp_path / "pairs.parquet").read_bytes())
    at = data.find(np.float64(whole.pairs["relative_one"][0]).tobytes())
    data[at + 6] ^= 16
    (tmp_path / "pairs.parquet").write_bytes(data)
    measured.clear()
    again = measure(out=tmp_path)
    assert measured
    pd.testing.assert_frame_equal(again.pairs, whole.pairs)


@pytest.mark.parametrize("projection", ["pair", "joint"])
def test_a_dataset_that_is_there_twice(projection: str, measured: list[int]) -> None:
    """The pairs that are the same one are measured once, and no other takes their numbers."""
    known = sets()
    found = measure({"a": known["a"], "twin": known["a"], "b": known["b"], "c": known["c"]}, projection=projection)
    assert len(measured) == 4
    pairs = found.pairs.set_index(["one", "other"])
    for one, other in (("a", "b"), ("twin", "b"), ("a", "c"), ("b", "c"), ("a", "twin")):
        rows = [known["a" if name == "twin" else name] for name in (one, other)]
        if projection == "pair":
            alone = measure({"one": rows[0], "other": rows[1]}).pairs.iloc[0]
            assert pairs.loc[(one, other), "o_dist_mean"] == pytest.approx(alone["o_dist_mean"], rel=1e-12)
    assert pairs.loc[("a", "twin"), "inhomogeneity"] == pytest.approx(0.0, abs=1e-12)
    assert pairs.loc[("b", "c"), "inhomogeneity"] != pairs.loc[("a", "b"), "inhomogeneity"]
    square = found.square()
    np.testing.assert_array_equal(square.loc["a", ["b", "c"]], square.loc["twin", ["b", "c"]])


def test_another_order_and_other_names_cost_nothing(tmp_path: Path, measured: list[int]) -> None:
    known = sets()
    measure(known, out=tmp_path, bootstrap=30)
    del measured[:]
    turned = {f"new-{name}": known[name] for name in "dbca"}
    found = measure(turned, out=tmp_path, bootstrap=30)
    assert not measured
    pd.testing.assert_frame_equal(found.pairs, measure(turned, bootstrap=30).pairs, check_exact=True)
    first = measure(known, bootstrap=30).pairs.set_index(["one", "other"]).loc[("a", "d")]
    last = found.pairs.set_index(["one", "other"]).loc[("new-d", "new-a")]
    assert (last["self_one"], last["relative_other_ci_low"]) == (first["self_other"], first["relative_one_ci_low"])


def features_by(scale: float, **identity: Any) -> dict[str, Any]:
    """The same images by another feature: same contents, other rows."""
    found = {}
    for name, rows in sets(200).items():
        known = parse(rows, name=name)
        assert isinstance(known, Features)
        found[name] = replace(known, rows=as_rows(np.abs(rows) ** scale, name), identity=identity)
    return found


def test_another_feature_of_the_same_images_takes_no_sums_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stopped_after(1, monkeypatch):
        measure(features_by(1.0, fit="stretch"), out=tmp_path)
    assert any((tmp_path / distance_matrix.SUMS).iterdir())
    found = measure(features_by(2.0, fit="crop"), out=tmp_path)
    pd.testing.assert_frame_equal(found.pairs, measure(features_by(2.0, fit="crop")).pairs, check_exact=True)


def test_pairs_as_tasks_of_a_cluster(tmp_path: Path, measured: list[int]) -> None:
    pytest.importorskip("ray", reason="needs howfar[ray]")
    import ray

    known = {**sets(), "e": np.random.default_rng(9).normal(2, 1, (15, 12))}
    here = measure(known, bootstrap=20)
    try:
        there = measure(known, bootstrap=20, runner=RayRunner(workers=2), out=tmp_path)
    finally:
        ray.shutdown()
    pd.testing.assert_frame_equal(there.pairs, here.pairs, rtol=1e-9)
    # What a cluster has measured is not measured again.
    del measured[:]
    measure(known, bootstrap=20, out=tmp_path)
    assert not measured


def test_a_second_stop_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("no space left on device")

    with stopped_after(3, monkeypatch):
        measure(out=tmp_path)
    before = (tmp_path / JOURNAL).read_text()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="no space left"):
            measure(out=tmp_path)
    assert (tmp_path / JOURNAL).read_text() == before
    assert before.count("\n") == 3


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        PairJournal.open(tmp_path),
        pytest.raises(InputError, match="out must be a folder that no other howfar matrix is at work in"),
    ):
        measure(out=tmp_path)
    measure(out=tmp_path)


def test_the_page_and_a_table_of_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.OURS, "reports", REPORTS)  # type: ignore[arg-type]  # it is a dict
    measure(bootstrap=20, out=tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for word in ("Which datasets are alike?", "1: as far as", "half of 1/n + 1/m", "howfar.matrix("):
        assert word in page
    known = sets()
    measure({name: known[name] for name in "abc"}).pairs.to_parquet(tmp_path / "pairs.parquet")
    with pytest.raises(StoreError, match=r"the matrix is of two runs, pairs\.parquet and matrix\.json: run matrix again"):
        Matrix.load(tmp_path)


def test_notes_say_what_weakens_it() -> None:
    known = sets()
    known["e"] = np.concatenate([known["a"][:3], known["b"][:2]])
    notes = " | ".join(measure(known).notes)
    assert "a and e share 3 images" in notes
    assert "b and e share 2 images" in notes
    assert "e has fewer than 10 images" in notes
    assert "the datasets hold 5 to 40 images" in notes
    assert "limit=5" not in notes
    unequal = {"a": known["a"], "d": known["d"][:12]}
    for projection in ("pair", "joint", "none"):
        (note,) = measure(unequal, projection=projection).notes
        assert "limit=12 (--limit 12) measures all at one size" in note
        assert ("little say" in note) is (projection == "pair")
    many = {f"s{k}": np.random.default_rng(k).normal(size=(3, 4)) for k in range(9)}
    assert measure(many, components=2).notes[0].startswith("s0, s1, s2, s3, s4 and 4 more have fewer than 10 images")
    assert "components exist" not in notes
    assert "components exist for some pairs" in " | ".join(
        measure({"one": known["a"][:2], "two": known["b"][:3]}, components=9).notes
    )


@pytest.mark.parametrize(
    ("datasets", "options", "words"),
    [
        ("roads", {}, "datasets must be a list of datasets or a mapping from names, got 'str'"),
        (None, {"device": "cpu"}, "options are of no use to ready-made embeddings"),
    ],
)
def test_what_is_refused(datasets: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(HowfarError, match=words) as caught:
        measure(datasets, **options)
    assert "\n" not in str(caught.value)
