"""Networks that are told what to segment by a prompt (appendix of the paper, figs. 11 and 12), and what that is worth."""
