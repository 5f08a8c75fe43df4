"""Find published weights on disk or on a hub, load weights without running their code, and hash weight files."""
