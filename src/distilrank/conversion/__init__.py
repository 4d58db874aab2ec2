"""Rankers from and to other libraries' checkpoints."""
