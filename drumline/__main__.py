"""The command line, as `drumline` and as `python -m drumline`."""

import sys


def main() -> None:
    """Runs the command line; where only the client is installed, says what is missing."""
    try:
        from drumline.commands.main import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("drumline"):
            raise
        sys.exit(f'Error: {error.name} is not installed; the command line needs `pip install "drumline[pipeline]"`')
    run()


if __name__ == "__main__":
    main()
