"""Scores of pairs, and the parts they are stored in."""
