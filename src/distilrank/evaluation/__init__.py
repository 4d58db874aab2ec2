"""Measures, tests of significance, and times: nothing here knows of params or of files."""
