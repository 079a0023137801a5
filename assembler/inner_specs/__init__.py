"""Specs as sources of other specs."""
