"""Who spoke when: one speaker per channel of a stereo call, an offline diariser, or a model's folder."""
