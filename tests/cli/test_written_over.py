"""What would write over something else, or ask another question than is answered, is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.memory import parse_size
from howfar.store import Store, prune
from howfar.studies.certification.estimates import parse_until


@pytest.mark.parametrize(
    ("text", "metric", "short"),
    [("IoU >= 0.3", "mean_f", "F"), ("nonsense >= 0.4", "mean_f", "F"), ("F >= 0.6", "accuracy", "accuracy")],
)
def test_labels_are_asked_for_what_is_certified(text: str, metric: str, short: str) -> None:
    with pytest.raises(InputError, match=rf"^until must be asked of what is certified \({metric}\), got '{text}'"):
        parse_until(text, metric, short)


def test_a_metric_goes_by_its_name_or_what_people_call_it() -> None:
    for text in ("F >= 0.3", "mean_f >= 0.3", "f>=0.3", ">= 0.3"):
        goal = parse_until(text, "mean_f", "F")
        assert goal is not None
        assert goal.rule.value == 0.3


def test_pruning_takes_whole_names_and_follows_no_link(tmp_path: Path) -> None:
    for name in ("pixels", "perceptual_hash"):
        Store(tmp_path / "one").open({"name": name}, 3)
    with pytest.raises(InputError, match=r"^feature must be one of the store's"):
        prune(tmp_path / "one", ["p"])
    other = Store(tmp_path / "two").open({"name": "pixels"}, 3)
    shards = Path(other.folder) / "shards"
    kept = tmp_path / "kept"
    shards.rename(kept)
    (kept / "0123456789abcdef0123456789abcdef.npy").write_bytes(b"another's")
    shards.symlink_to(kept, target_is_directory=True)
    found = prune(tmp_path / "two", ["pixels"])
    assert not found.removed
    assert "is a link" in found.left[0].reason
    assert [file.name for file in kept.iterdir()] == ["0123456789abcdef0123456789abcdef.npy"]


@pytest.mark.parametrize("size", ["9" * 400 + "GB", "\u0663GB", "1" * 19])
def test_a_size_beyond_all_measure_is_a_line(size: str) -> None:
    with pytest.raises(InputError, match=r"^memory must be a size"):
        parse_size(size)


def test_an_evaluation_replaces_an_evaluation_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roads = write_dataset(tmp_path / "roads", 2, seed=0, size=32)
    scoring = ["evaluate", str(roads), "--predictions", str(roads / "masks"), "-o"]
    others = tmp_path / "others.parquet"
    pd.DataFrame({"camera": ["a"]}).to_parquet(others)
    spoilt = tmp_path / "spoilt.parquet"
    spoilt.write_bytes(b"mine")
    for file in (others, spoilt):
        before = file.read_bytes()
        assert run([*scoring, str(file)]) == 2
        assert "must not replace what is no evaluation of howfar" in capsys.readouterr().err
        assert file.read_bytes() == before
    own = tmp_path / "own.parquet"
    assert run([*scoring, str(own)]) == 0
    first = own.read_bytes()
    assert run([*scoring, str(own)]) == 0
    assert own.read_bytes() != b""
    capsys.readouterr()
    # An evaluation can be the dataset: its table names images.
    assert run(["evaluate", f"again={own}", "--predictions", str(roads / "masks"), "-o", str(own)]) == 2
    assert "must not replace the dataset's own table" in capsys.readouterr().err
    assert len(own.read_bytes()) == len(first)
