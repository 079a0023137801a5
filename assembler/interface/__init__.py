"""What a model and its host exchange: the rules by which inputs are filled, and the records of the metadata."""
