"""Prefect flows that conduct the pipeline: DVC holds the graph and builds the stages."""
