"""Compare methods that estimate a model's score on new sites, on stored tables of signals and true scores (`howfar bench`)."""
