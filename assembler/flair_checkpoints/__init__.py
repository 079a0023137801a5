"""Everything about flair's checkpoints: reading them safely, their sizes and order, and running the loaded models."""
