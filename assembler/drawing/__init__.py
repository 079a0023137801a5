"""Drawings of a wired stack: what they show, where it goes, and how it is drawn."""
