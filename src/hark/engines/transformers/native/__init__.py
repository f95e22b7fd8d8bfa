"""Models that transformers lacks, and parts of models, run by torch alone."""
