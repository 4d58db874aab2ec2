"""One file an architecture, over one protocol."""
