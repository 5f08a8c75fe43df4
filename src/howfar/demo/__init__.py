"""Draw synthetic pavement with exact crack masks and an adjustable shift, and write the datasets of `howfar demo`."""

from howfar.demo.synthetic_pavement import KINDS, SHIFTED, not_pavement, pavement, write_dataset, write_demo, write_pictures

__all__ = ["KINDS", "SHIFTED", "not_pavement", "pavement", "write_dataset", "write_demo", "write_pictures"]
