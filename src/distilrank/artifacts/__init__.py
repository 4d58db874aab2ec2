"""What stages write, and where. Outputs are whole or absent."""
