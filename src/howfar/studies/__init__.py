"""Implement howfar's commands as functions that take datasets and settings and return a result, without printing."""
