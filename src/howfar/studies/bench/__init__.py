"""Compare methods that tell what a model scores on new sites, on tables of signals and scores."""
