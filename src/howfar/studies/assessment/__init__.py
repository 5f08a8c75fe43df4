"""Answer the whole question about new sites in one go: compare, evaluate, relate, and say what to do next."""
