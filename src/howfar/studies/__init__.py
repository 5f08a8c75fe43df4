"""Run the studies: each takes datasets and settings and returns a result, and neither draws nor prints."""
