"""Run adaptation studies (section 4.3, appendix C): what does labelling a few images of each secondary dataset gain?"""
