"""The adaptation study (section 4.3, appendix C): what labelling a few images of each secondary dataset buys."""
