"""What shows an evaluation: tables, shortfalls and the report."""
