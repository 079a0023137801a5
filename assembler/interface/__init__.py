"""What a model and its host agree on: the rules by which inputs are filled."""
