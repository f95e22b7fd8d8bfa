"""Spoken commands: a grammar says what may be said, a command is what was: intent and slots."""
