"""Ask a recording a question: audio and text in, text out, whatever model does the hearing."""
