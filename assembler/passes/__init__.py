"""Passes: model to model, each with a stated contract."""
