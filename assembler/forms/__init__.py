"""The forms that a source can have: what each reads, how its parts are addressed, what it gives when opened."""
