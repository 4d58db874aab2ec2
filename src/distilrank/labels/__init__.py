"""Labels: what students learn from, and its published form."""
