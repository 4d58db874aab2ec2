"""Distil slow, strong neural rankers into small, fast ones, and ship them."""
