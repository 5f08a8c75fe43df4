"""Score a model's predictions against masks, labels or boxes, per dataset and per image."""
