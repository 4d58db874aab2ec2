"""One folder per architecture, over one protocol."""
