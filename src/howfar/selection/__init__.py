"""Which images to label: strategies, one a file, under one protocol."""

from howfar.selection.far import far
from howfar.selection.named import every, named
from howfar.selection.recipe import Recipe

__all__ = ["Recipe", "every", "far", "named"]
