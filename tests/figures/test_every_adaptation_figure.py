"""What holds of every figure of an adaptation study: it draws whatever is missing, quietly, and touches no global."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import ModuleType

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from howfar import registry
from howfar.errors import InputError
from howfar.figures.adaptation_gains import adaptation_gains, adaptation_suppression
from howfar.figures.adaptation_rows import adaptation_rows
from howfar.figures.adaptation_scores import adaptation_bars, adaptation_curves
from howfar.results.adaptation import Adaptation

OF_SETS = [adaptation_curves, adaptation_bars, adaptation_rows]
ALL = [*OF_SETS, adaptation_gains, adaptation_suppression]
EVERY = pytest.mark.parametrize("draw", ALL, ids=lambda f: f.__name__)


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text())


@EVERY
def test_renders_and_leaves_settings_alone(draw: Callable[..., Figure], study: Adaptation) -> None:
    before = dict(matplotlib.rcParams)
    figure = draw(study)
    assert dict(matplotlib.rcParams) == before
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=30)
    assert picture.getvalue().startswith(b"\x89PNG")


@EVERY
def test_is_registered(draw: Callable[..., Figure]) -> None:
    assert registry.load("adaptation_figures", draw.__name__) is draw


@EVERY
def test_draws_every_strategy(draw: Callable[..., Figure], bakeoff: Adaptation) -> None:
    assert texts(draw(bakeoff))
    assert draw(bakeoff).get_size_inches()[1] < 12


@EVERY
def test_takes_dollars_in_names_literally(draw: Callable[..., Figure], study: Adaptation) -> None:
    images = study.images.replace({"dataset": {study.background: "b$c_$"}})
    assert texts(draw(replace(study, primary="p$q_{$", segmenter="m$n^$", background="b$c_$", images=images)))


@EVERY
def test_draws_one_seed_one_set_and_nothing_scored(draw: Callable[..., Figure], studies: ModuleType, tmp_path: Path) -> None:
    options = {"seeds": (4,), "shots": (1,), "strategies": ("random",), "background_shots": (), "blind": {}, "files": False}
    small = studies.make(tmp_path, sizes={"one": 1}, random_seeds=(), **options)
    assert texts(draw(small))
    bare = replace(
        small,
        images=small.images.assign(f=np.nan),
        scores=small.scores.assign(mean_f=np.nan, ods=None),
        gains=small.gains.assign(gain=np.nan, low=np.nan, high=np.nan),
    )
    assert texts(draw(bare))


@pytest.mark.parametrize("draw", OF_SETS, ids=lambda f: f.__name__)
def test_says_how_many_it_leaves_out(draw: Callable[..., Figure], study: Adaptation) -> None:
    assert "The first 2 of " in texts(draw(study, limit=2))
    assert "The first " not in texts(draw(study, limit=9))
    with pytest.raises(InputError, match="limit must be at least 1, got 0"):
        draw(study, limit=0)
