"""Take labels back from labelling tools, as a dataset that the other commands read."""
