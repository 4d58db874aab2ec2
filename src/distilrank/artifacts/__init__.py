"""What stages write, and where: whole or absent."""
