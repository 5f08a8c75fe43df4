"""Published weights: where they are, on disk or on a hub, read without running code from them, and hashed."""
