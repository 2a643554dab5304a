"""One step at a time."""
