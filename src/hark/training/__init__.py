"""Training from scratch and fine-tuning, decoding, language models: the loops are those of transformers' Trainer."""
