"""The model that MLflow serves, and the server of the search page."""
