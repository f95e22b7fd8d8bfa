"""Data to train and judge models with: one kind of sample, and the formats people keep theirs in."""

from hark.data.reading import read, write
from hark.data.sample import Sample

__all__ = ["Sample", "read", "write"]
