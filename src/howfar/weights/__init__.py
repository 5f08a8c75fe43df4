"""Find published weights on disk or on a hub, read them without running code from them, and hash them."""
