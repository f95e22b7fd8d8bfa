"""Features, labels, vocabulary and statistics for training from scratch, made once; `hark.data.prepared` reads them."""
