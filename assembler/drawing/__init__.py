"""Drawings of a wired stack: their content, layout and output."""
