"""Modules that all packages use: problems and errors, tensor types, names, and files read and written with care."""
