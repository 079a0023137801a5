"""An ONNX model in memory: emitting operators, naming, writing, digests, and running it."""
