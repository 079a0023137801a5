"""The commands of the library: build, check, verify, inspect, compare."""
