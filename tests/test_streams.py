"""Each purpose has a random stream of its own, and each stream follows from the user's seed."""

import re
from collections import Counter
from pathlib import Path

import howfar
from howfar.random_streams import PURPOSES, UNSEEDED

SHARED = {(), (3,), (4,), (5,), (6,)}
"""Ends of seeds that several purposes have, as in numbers that are published."""


def test_a_purpose_has_a_number_of_its_own_and_is_drawn_for_with_a_seed():
    assert {end for end, count in Counter(PURPOSES.values()).items() if count > 1} == SHARED
    text = "".join(file.read_text(encoding="utf-8") for file in Path(howfar.__file__).parent.rglob("*.py"))
    drawn = re.findall(r'\bstream\(([\w.\[\]"]+), "([\w ]+)"', text)
    assert {purpose for _, purpose in drawn} == set(PURPOSES)
    assert {purpose for seed, purpose in drawn if "seed" not in seed} == set(UNSEEDED)
