"""The offline default: pocketsphinx, answers quoted from the transcript, and signal analysis."""
