"""Names to ports, ports to types, types to each other. No weights, and neither onnx, torch nor flair."""
