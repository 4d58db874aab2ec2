"""What is shown of an evaluation: tables, shortfalls, the report."""
