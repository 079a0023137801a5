"""What a person asks for: build, check, verify, inspect, compare."""
