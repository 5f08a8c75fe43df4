"""Draw figures of results: a file for each, with a function from the result to a matplotlib Figure.

They are reached by name (``comparison.plot.violin()``) or imported from their modules; matplotlib is loaded only then.
"""
