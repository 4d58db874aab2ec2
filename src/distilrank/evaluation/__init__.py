"""Measures, latency and the report."""
