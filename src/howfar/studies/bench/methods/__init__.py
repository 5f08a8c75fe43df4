"""Methods that `howfar bench` knows by name: one file each, as `howfar.studies.bench.comparison` describes them."""
