"""Run adaptation studies (section 4.3, appendix C): the gain from labelling a few images of each secondary dataset."""
