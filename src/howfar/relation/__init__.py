"""How performance goes with distance, and what can be said of it without labels."""
