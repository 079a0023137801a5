"""What a model says of itself: the metadata that is written from the wiring and the sources."""
