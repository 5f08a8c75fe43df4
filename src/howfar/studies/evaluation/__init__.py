"""Score a model's predictions against masks, labels or boxes: for a dataset as a whole and for each of its images."""
