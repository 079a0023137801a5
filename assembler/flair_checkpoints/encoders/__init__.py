"""Encoders of the architectures whose operators torch exports."""
