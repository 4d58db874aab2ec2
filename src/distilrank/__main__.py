"""`python -m distilrank`, as a launcher begins it."""

import sys

from distilrank.cli.main import main

sys.argv[0] = "distilrank"  # as it is told to others
main()
