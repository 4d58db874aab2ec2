"""Losses, batches of triples, and the training loop."""
