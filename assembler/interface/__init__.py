"""What a model and its host say to each other: rules by which inputs are filled, and the records of the metadata."""
