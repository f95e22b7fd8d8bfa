"""Word times for transcripts that have none: forced alignment with a CTC model."""
