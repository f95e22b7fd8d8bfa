"""Whether a data set is fit to be learned from: each recording heard, each text looked at, splits compared."""
