"""Runs the servers: in containers, on Kubernetes, or as a stack of processes."""
