"""`python -m distilrank.cli`, for use where the command is not on the path."""

from distilrank.cli.main import main

if __name__ == "__main__":
    main()
