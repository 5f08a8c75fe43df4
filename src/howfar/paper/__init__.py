"""Run and report the paper's own studies, one or two files each."""
