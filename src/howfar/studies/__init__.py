"""Run the studies: each takes datasets and settings and returns a result, without drawing or printing."""
