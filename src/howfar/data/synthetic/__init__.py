"""Synthetic pavement with exact crack masks, whose shift is a dial; for demos, tests and checks of a measure."""

from howfar.data.synthetic.demo import SHIFTED, write_dataset, write_demo, write_pictures
from howfar.data.synthetic.fabric import not_pavement
from howfar.data.synthetic.pavement import KINDS, pavement

__all__ = ["KINDS", "SHIFTED", "not_pavement", "pavement", "write_dataset", "write_demo", "write_pictures"]
