"""Assess a model on new sites in one run (`howfar assess`): compare, evaluate, relate, and recommend the next step."""
