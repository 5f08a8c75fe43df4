"""What would write over something else, or ask another question than is answered, is refused in one line."""

from __future__ import annotations

import pandas as pd
import pytest

from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.studies.certification.estimates import parse_until


@pytest.mark.parametrize(
    ("text", "metric", "short"),
    [("IoU >= 0.3", "mean_f", "F"), ("nonsense >= 0.4", "mean_f", "F"), ("F >= 0.6", "accuracy", "accuracy")],
)
def test_labels_are_asked_for_what_is_certified(text, metric, short):
    with pytest.raises(InputError, match=rf"^until must be asked of what is certified \({metric}\), got '{text}'"):
        parse_until(text, metric, short)


def test_an_evaluation_replaces_an_evaluation_alone(tmp_path, capsys):
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
