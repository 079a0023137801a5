"""The content of sources: weights as plain arrays, and the data on them that a host needs."""
