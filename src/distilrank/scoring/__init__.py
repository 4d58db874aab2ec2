"""Scores of pairs, and the parts in which they are stored."""
