"""Certify a classifier or a detector, whose predictions one file lists, by the labels of a few images drawn at random."""
