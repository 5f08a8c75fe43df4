"""Find published weights on disk or on a hub, load them without running their code, and hash them."""
