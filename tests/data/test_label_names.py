"""Names of labels in a tool, and the model's."""

from __future__ import annotations

from typing import Any

import pytest

from howfar.data.labelling import label_names
from howfar.errors import InputError


def test_names_go_both_ways_for_every_task() -> None:
    masks = label_names(["Riß", "joint"], "segmentation")
    assert (masks.in_dataset("joint"), masks.in_dataset("car"), masks.in_tool("foreground")) == ("foreground", None, "Riß")
    assert masks.offered() == ("Riß", "joint")
    classes = label_names({"0": "a=b", "1": "c"}, "classification")
    assert (classes.in_tool("0"), classes.in_dataset("a=b")) == ("a=b", "0")
    assert classes.offered(["0", "1", "2"]) == ("a=b", "c", "2")
    nothing = label_names((), "detection")
    assert (nothing.in_dataset("car"), nothing.in_tool("car"), nothing.offered(["car"])) == ("car", "car", ("car",))


@pytest.mark.parametrize("names", [[""], ["a="], ["a", "x=a"], 3, [3]])
def test_names_that_say_nothing_are_refused(names: Any) -> None:
    with pytest.raises(InputError, match="label_names must"):
        label_names(names, "detection")
