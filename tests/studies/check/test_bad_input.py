"""Arguments of check that are of other types are refused in one line that names them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from howfar.errors import InputError
from howfar.studies.check.check import check
from howfar.studies.profile import profile

ROADS = profile(np.random.default_rng(0).normal(size=(30, 4)))
RULES = {"images": {"at_least": 2}}


@pytest.mark.parametrize("argument", ["rules", "certificate", "log", "since", "profile"])
@pytest.mark.parametrize("value", [5, b"x", float("nan"), [5]])
def test_what_is_of_another_type_is_refused_by_its_name(argument: str, value: Any) -> None:
    given: dict[str, Any] = {"profile": ROADS, "new": np.zeros((3, 4)) + 0.1, "rules": RULES, argument: value}
    if argument == "since":
        given |= {"new": None, "log": "nowhere.jsonl"}
    with pytest.raises(InputError, match=f"^{argument}(:| must)"):
        check(given.pop("profile"), **given)
