"""Joins fragments into one model."""
