"""Makes plain checkpoints of object pickles, which a confined process reads."""
