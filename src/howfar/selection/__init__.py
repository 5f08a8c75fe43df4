"""Which images to label: strategies, one a file, under one protocol."""

from howfar.selection.far import far
from howfar.selection.function_strategy import FunctionStrategy
from howfar.selection.named import every, named

__all__ = ["FunctionStrategy", "every", "far", "named"]
