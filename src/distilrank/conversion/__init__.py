"""Converts rankers from and to other libraries' checkpoints."""
