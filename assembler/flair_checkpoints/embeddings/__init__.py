"""The embeddings of flair that can be assembled: one reader for each class, in a module of its own."""
