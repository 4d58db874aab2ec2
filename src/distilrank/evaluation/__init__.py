"""Measures, significance tests and times. Nothing here knows of params or files."""
