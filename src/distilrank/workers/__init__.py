"""Work in parts, in this process, in several, or on a Ray cluster; and a whole command on a node of a cluster."""
