"""Notes of meetings: what was decided, who does what by when, what is open."""
