"""Run the studies that a study file (TOML) lists (`howfar study`): check the file, run missing studies, reuse finished ones."""
