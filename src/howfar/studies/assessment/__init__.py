"""Assess new sites in one run: compare, evaluate, relate, and recommend the next step."""
