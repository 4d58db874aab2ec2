"""A separate program that checks whether rankers compute the same on a card as on a CPU, and measures how fast."""
