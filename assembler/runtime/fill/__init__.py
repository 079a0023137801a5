"""The rules by which a host fills the inputs of a model: a class for each.

To add one: a row in `interface/fill_rules.py`, its class here, and its name in `inputs.py`.
"""
