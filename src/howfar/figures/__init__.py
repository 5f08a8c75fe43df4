"""Figures of a result: one file, one function, from a `howfar.results.Comparison` to a matplotlib Figure.

They are reached by name (``comparison.plot.violin()``) or imported from their modules; matplotlib is loaded only then.
"""
