"""What holds of every figure: it draws for any number of datasets and for undefined values, quietly, and touches no global."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import matplotlib
import pytest
from matplotlib.figure import Figure

from howfar.errors import InputError
from howfar.figures import adaptation_figures as of_study
from howfar.figures.contact_sheets import thumbnails
from howfar.figures.distance_figures import relative, scatter, sorted_distances, violin
from howfar.figures.estimated_performance import estimates, failures, judgements
from howfar.figures.performance_figures import parts, performance, relation_thresholds
from howfar.figures.style import PHONE, WIDTH, for_phone

Draw = Callable[..., Figure]
OF_COMPARISONS: list[Draw] = [violin, sorted_distances, relative, scatter, thumbnails]
OF_RELATIONS: list[Draw] = [performance, parts, estimates, failures, relation_thresholds]
OF_STUDIES: list[Draw] = [of_study.adaptation_curves, of_study.adaptation_bars, of_study.adaptation_rows]
LIMITED = [*((draw, "six") for draw in OF_COMPARISONS), *((draw, "related") for draw in OF_RELATIONS)]
LIMITED += [(draw, "study") for draw in OF_STUDIES]
EVERY = [*LIMITED, (judgements, "related"), (of_study.adaptation_gains, "study"), (of_study.adaptation_suppression, "study")]


def of(draws: list[tuple[Draw, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("draw", "name"), draws, ids=[draw.__name__ for draw, _ in draws])


def texts(figure: Figure) -> str:
    figure.set_layout_engine("none")  # it takes most of the time, and changes no text
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text())


@of(EVERY)
def test_renders_for_a_phone_too_and_leaves_settings_alone(draw: Draw, name: str, request: pytest.FixtureRequest) -> None:
    before = dict(matplotlib.rcParams)
    assert draw(request.getfixturevalue(name)).get_size_inches()[0] <= WIDTH
    with for_phone():
        figure = draw(request.getfixturevalue(name))
    assert figure.get_size_inches()[0] <= PHONE
    assert dict(matplotlib.rcParams) == before
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=30)
    assert picture.getvalue().startswith(b"\x89PNG")


@of(LIMITED)
def test_says_how_many_it_leaves_out_and_refuses_a_limit_below_one(draw, name, request):
    result = request.getfixturevalue(name)
    few = texts(draw(result, limit=2))
    assert ("The 2 farthest of 6 datasets are shown." if name == "six" else "The first 2 of ") in few
    every = texts(draw(result, limit=9))
    assert "farthest of" not in every
    assert "The first " not in every
    if name == "six":
        assert "street photographs" in few
        assert "roads-dry" not in few
    with pytest.raises(InputError, match="limit must be at least 1, got 0"):
        draw(result, limit=0)


@of(EVERY)
def test_takes_dollars_in_names_literally(draw, name, sized, study, six):
    images = study.images.replace({"dataset": {study.background: "b$c_$"}})
    results: dict[str, Any] = {
        "six": replace(six, primary=replace(six.primary, name="a$b_{$")),
        "related": replace(sized(("a$b_{$", 60), ("c$d^$", 50), ("e$", 50)), primary="p$q_{$", metric="F_{$ at $"),
        "study": replace(study, primary="p$q_{$", segmenter="m$n^$", background="b$c_$", images=images),
    }
    assert "$" in texts(draw(results[name]))
