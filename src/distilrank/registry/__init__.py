"""Models in MLflow's registry, and the gates that a model passes before it is served."""
