"""Runs what strangers exported in a process of its own, which may die, hang or eat memory without harm to ours."""
