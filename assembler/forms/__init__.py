"""The forms that a source can have: their files, the paths of their parts, and their opened sources."""
