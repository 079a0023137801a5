"""Reads exported ONNX subgraphs, a form of source."""
