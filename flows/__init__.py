"""Prefect flows that run the pipeline. DVC holds the graph and builds the stages."""
