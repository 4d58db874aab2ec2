"""Where collections come from: one class a source."""
