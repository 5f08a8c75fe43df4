"""Show a run's images on an interactive page, with filters and picking, in the report, on a local server or in a notebook."""
