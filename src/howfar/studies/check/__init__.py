"""Check new datasets against rules on harm, once and over time, for pipelines that go on or stop by an exit code."""
