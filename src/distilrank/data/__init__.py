"""Collections, tokens, triples and runs as files."""
