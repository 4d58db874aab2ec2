"""What runs the servers: containers, Kubernetes, and a stack of processes."""
