"""Run all studies of a study file: read and check it, run what is missing, keep what is done."""
