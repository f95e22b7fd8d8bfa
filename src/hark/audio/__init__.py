"""Anything that can be heard: from a path, URL, bytes or array to samples and windows."""
