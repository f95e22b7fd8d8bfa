"""What comes back: answers, transcripts, subtitles."""
