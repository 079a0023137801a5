"""Where weights come from. Trust and digests live here and nowhere else."""
