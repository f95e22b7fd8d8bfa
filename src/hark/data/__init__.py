"""Data to train and judge models with: one kind of sample, and the formats people keep theirs in."""
