"""`python -m hark` is the command line."""

from hark.cli import main

main()
