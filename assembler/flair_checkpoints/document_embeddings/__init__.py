"""The embeddings of documents that can be assembled: one reader for each class, in a module of its own."""
