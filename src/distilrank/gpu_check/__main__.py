"""python -m distilrank.gpu_check, for use where the package is not installed."""

from distilrank.gpu_check.command import main

if __name__ == "__main__":
    main()
