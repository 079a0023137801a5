"""What names and sizes in a spec may be."""

#: The pattern of names in a spec. Python lets `$` match before a last line break, which the lookahead forbids.
NAME = r"^[A-Za-z_][A-Za-z0-9_]*$(?!\n)"

#: The largest size of an axis that ONNX Runtime can address.
LARGEST_SIZE = 2**31 - 1
