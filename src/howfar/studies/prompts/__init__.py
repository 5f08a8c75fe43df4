"""Segment datasets by promptable networks (SAM, CLIPSeg, PerSAM-F) and score them (the paper's appendix, figs. 11 and 12)."""
