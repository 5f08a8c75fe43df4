"""Check new datasets against rules on harm, once and over time, with an exit code for pipelines."""
