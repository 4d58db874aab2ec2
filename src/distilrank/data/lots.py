"""Lots by which texts fall into splits, and when two texts count as the same."""

import hashlib

import polars as pl


def normal(text: pl.Expr) -> pl.Expr:
    """The text in the form in which two queries count as the same."""
    return text.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def lot_of(text: str) -> float:
    """A number from 0 to 1 that does not change when other texts come or go."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
