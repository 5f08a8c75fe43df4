"""Methods that `howfar bench` compares by default, one file each, as `howfar.studies.bench.run_methods` describes them."""
