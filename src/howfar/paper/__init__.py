"""Run and report the paper's own studies, a file or two each."""
