"""`python -m drumline`: the command line."""

from drumline.commands.main import main

if __name__ == "__main__":
    main()
