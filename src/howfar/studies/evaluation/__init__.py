"""Predictions against masks, labels or boxes: the scores of a dataset, and a row for each of its images."""
