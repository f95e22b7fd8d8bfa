"""Live: speak, pause, and the answer streams back; one session, whatever carries it."""
