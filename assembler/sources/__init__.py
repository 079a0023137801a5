"""Where weights come from. Only this package handles trust and digests."""
