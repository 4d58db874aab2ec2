"""A program of its own: whether the rankers compute on a card what they compute on a processor, and how fast."""
