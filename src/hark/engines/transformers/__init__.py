"""Models of the transformers library: one engine, one small file per family of models."""

import logging

# transformers and peft import it, where it is installed; it tells what it lacks, and that it casts at each token.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
