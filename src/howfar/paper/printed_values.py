"""Hold the numbers and scene categories printed in the paper's tables, to compare a run's results with them."""

from collections.abc import Mapping, Sequence
from typing import Final

from howfar.report import section as doc

SYMBOLS: Final = ("S_1", "S_2", "S_3", "S_4", "S_5", "S_6")
TABLE_2: Final[Mapping[str, tuple[float, ...]]] = {
    "SAM": (0.149, 0.145, 0.164, 0.134, 0.213, 0.195),
    "CLIPSeg": (0.135, 0.134, 0.142, 0.153, 0.236, 0.199),
    "ENet": (0.153, 0.153, 0.159, 0.163, 0.188, 0.183),
    "DC": (0.153, 0.188, 0.153, 0.174, 0.166, 0.167),
    "UNet++": (0.056, 0.069, 0.063, 0.054, 0.465, 0.293),
    "ADSAM": (0.166, 0.152, 0.163, 0.148, 0.193, 0.178),
}
"""Row-scaled O^dist of S_1 to S_6 from P by each model."""
TABLE_6: Final[Mapping[str, tuple[float, ...]]] = {
    "5": (0.078, 0.097, 0.087, 0.073, 0.453, 0.214),
    "10": (0.068, 0.084, 0.077, 0.065, 0.486, 0.220),
    "15": (0.063, 0.077, 0.071, 0.061, 0.491, 0.237),
    "20": (0.057, 0.071, 0.064, 0.055, 0.466, 0.287),
    "25": (0.056, 0.069, 0.063, 0.054, 0.465, 0.293),
}
"""Row-scaled O^dist of S_1 to S_6 from P by the number of components, by UNet++."""
SHORT_ROWS: Final = " The paper's rows sum to 1 over S1 to S6: where fewer are shown, its shares are smaller than ours."
PARTS: Final = ("first half", "second half", "first third", "last third")
TABLES_3_TO_5: Final[Mapping[str, Mapping[str, tuple[tuple[float, float, float], ...]]]] = {
    "unetplusplus": {
        "S_1": ((0.483, 0.20, 0.06), (0.444, 0.54, 0.18), (0.488, 0.18, 0.05), (0.415, 0.64, 0.13)),
        "S_2": ((0.567, 0.24, 0.15), (0.606, 0.79, 0.13), (0.584, 0.15, 0.09), (0.622, 0.85, 0.10)),
        "S_3": ((0.353, 0.19, 0.06), (0.316, 0.48, 0.16), (0.365, 0.16, 0.04), (0.314, 0.56, 0.13)),
        "S_4": ((0.241, 0.03, 0.02), (0.061, 0.40, 0.23), (0.283, 0.02, 0.01), (0.021, 0.50, 0.17)),
    },
    "deepcrack": {
        "S_1": ((0.346, 0.21, 0.08), (0.318, 0.42, 0.09), (0.340, 0.17, 0.07), (0.300, 0.47, 0.10)),
        "S_2": ((0.432, 0.25, 0.09), (0.464, 0.62, 0.19), (0.430, 0.20, 0.08), (0.489, 0.70, 0.16)),
        "S_3": ((0.461, 0.16, 0.04), (0.391, 0.42, 0.16), (0.472, 0.14, 0.04), (0.370, 0.50, 0.14)),
        "S_4": ((0.625, 0.24, 0.09), (0.580, 0.56, 0.18), (0.638, 0.19, 0.07), (0.580, 0.63, 0.17)),
    },
    "adsam": {
        "S_1": ((0.388, 0.23, 0.09), (0.400, 0.51, 0.14), (0.383, 0.184, 0.07), (0.405, 0.584, 0.13)),
        "S_2": ((0.392, 0.20, 0.08), (0.375, 0.56, 0.24), (0.370, 0.16, 0.07), (0.290, 0.654, 0.21)),
        "S_3": ((0.249, 0.19, 0.07), (0.292, 0.47, 0.14), (0.226, 0.153, 0.05), (0.293, 0.533, 0.12)),
        "S_4": ((0.471, 0.44, 0.17), (0.330, 0.79, 0.10), (0.462, 0.353, 0.15), (0.291, 0.842, 0.07)),
    },
}
"""F, mean and standard deviation of scaled I^dist of each part in `PARTS`, by segmenter and dataset (tables 3, 4 and 5)."""


def scaled_rows(
    rows: Mapping[str, Sequence[float]], heading: str, names: Sequence[str], symbols: Mapping[str, str]
) -> doc.Table | None:
    """Return the columns of `TABLE_2` or `TABLE_6` whose datasets `names` stand for by `symbols`; None without any."""
    shown = [(name, symbols[name]) for name in names if symbols.get(name) in SYMBOLS]
    if not shown:
        return None
    columns = (doc.Column(heading), *(doc.Column(f"{symbol.replace('_', '')} ({name})") for name, symbol in shown))
    cells = tuple(
        (doc.Cell(label), *(doc.decimal(values[SYMBOLS.index(symbol)]) for _, symbol in shown))
        for label, values in rows.items()
    )
    return doc.Table(columns, cells)


TABLE_9: Final = doc.tabulate(
    (
        ("viewpoint", 36, 49, "0°, 10° … 350°"),
        ("scene", 9, 252, "urban and wild"),
        ("weather", 7, 252, "sunny, clouds, overcast, foggy, neutral, blizzard, snowlight"),
        ("illumination", 7, 252, "midnight, dawn, forenoon, noon, afternoon, dusk, night"),
    ),
    ("variation", "", lambda row: doc.Cell(row[0])),
    ("values", "", lambda row: doc.count(row[1])),
    ("images a set", "", lambda row: doc.count(row[2])),
    ("which", "", lambda row: doc.Cell(row[3])),
)
"""Variations of the two persons of FineGPR, with the images of each that the text of appendix E counts."""


CATEGORIES: Final = frozenset([
    "apartment_building", "apse", "aquarium", "arch", "art_school", "badlands", "banquet_hall", "basement", "beauty_salon",
    "berth", "bookstore", "botanical_garden", "butte", "cabin", "campus", "car_interior", "coast", "control_room",
    "covered_bridge", "dentists_office", "driveway", "elevator", "factory", "fastfood_restaurant", "field", "fountain",
    "garbage_dump", "hangar", "hospital_room", "house", "islet", "jewelry_shop", "kitchen", "kitchenette", "marsh",
    "physics_laboratory", "playroom", "poolroom", "power_plant", "racecourse", "restaurant_kitchen", "rice_paddy", "ruin",
    "runway", "supermarket", "synagogue", "toyshop", "waiting_room", "wind_farm", "yard",
])  # fmt: skip
"""Table 7: the categories of SUN397 that were drawn."""
# The captions of figures 26 and 27 are of bookstore and of kitchen; which is which, the text that we have does not tell.
SCENE_FIGURES: Final[Mapping[str, Mapping[str, str]]] = {
    "violins": {"field": "18"},
    "closest": {
        "field": "19", "house": "21", "bookstore": "23", "kitchen": "24", "toyshop": "25", "chemistry_lab": "29",
        "living_room": "29", "snowfield": "29",
    },
    "farthest": {"field": "20", "house": "22", "bookstore": "26 and 27", "kitchen": "26 and 27", "toyshop": "28"},
}  # fmt: skip
"""Numbers of the paper's figures by what they show and by primary category."""


def is_listed(category: str) -> bool:
    """Return whether a category is in table 7, regardless of how its words are joined."""
    return _plain(category) in CATEGORIES


def scene_label(shows: str, primary: str) -> str:
    """Return the paper's figure of a primary category; of a category that it does not show, "As" that of its field."""
    figures = SCENE_FIGURES[shows]
    number = figures.get(_plain(primary), figures["field"])
    return f"{'' if _plain(primary) in figures else 'As '}Figure{'s' if ' ' in number else ''} {number}"


def _plain(category: str) -> str:
    return "_".join(category.lower().replace("-", " ").replace("_", " ").split())
