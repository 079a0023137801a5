"""Runs the exports of strangers in a separate process, which may die or hang without harm to ours."""
