"""params.yaml as a whole, and what follows from it."""
