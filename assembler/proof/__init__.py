"""Proves that an assembled model computes what its source computes."""
