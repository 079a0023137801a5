"""The names and sizes that a spec may use."""

#: The pattern of names in a spec. Python lets `$` match before a last line break, which the lookahead forbids.
NAME = r"^[A-Za-z_][A-Za-z0-9_]*$(?!\n)"

#: The largest size of an axis that ONNX Runtime can address.
LARGEST_SIZE = 2**31 - 1

#: The pattern of public names, those of the model's inputs and outputs: any text of one line, as hosts already call
#: them (`input.1`, `serving_default_x:0`).
PUBLIC = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200}$(?!\n)"
