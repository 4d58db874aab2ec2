"""The program `distilrank`, as pyproject.toml names it."""

from distilrank.workers.preloaded import run_in_fork


def run() -> None:
    """Runs a command in a fork, if a flow keeps a process ready for that, and else in this process."""
    run_in_fork()
    from distilrank.cli.main import main  # a fork does without these imports

    main()
