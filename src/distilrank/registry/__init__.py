"""Models in MLflow's registry, and the gates before the one that is served."""
