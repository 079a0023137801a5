"""A page that runs a model in the browser, and a server on loopback to look at it."""
