"""Decide by rules whether a model may run on new datasets (`howfar check`), once and over time, with an exit code."""
