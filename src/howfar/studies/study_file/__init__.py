"""Run all studies of a study file: read and check the file, run missing studies, reuse finished ones."""
