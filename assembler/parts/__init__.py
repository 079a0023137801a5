"""The kinds of parts: one module a kind, with its parameters, its ports and its builder."""
