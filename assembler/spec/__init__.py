"""The spec language: text to values, each with its place."""
