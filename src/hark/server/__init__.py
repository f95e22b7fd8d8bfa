"""`hark serve`: whatever `hark.load` can load, over HTTP, to clients that know OpenAI's or Hugging Face's protocol."""
