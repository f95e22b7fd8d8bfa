"""Models of the transformers library: one engine, one small file per family of models."""
