"""The description of a model: the metadata that is written from the wiring and the sources."""
