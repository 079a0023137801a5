"""ONNX files read byte by byte: their structure, header, external data and digests. No onnx is imported here."""
