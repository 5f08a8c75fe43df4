"""Run the study of the pool of models (contribution d, section 6): which of several models suits which wish?"""
