"""Where collections come from: one class per source."""
