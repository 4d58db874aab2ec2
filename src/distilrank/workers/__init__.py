"""Work in parts: on this process, on several of this machine, or on a Ray cluster; a command on a node of one."""
