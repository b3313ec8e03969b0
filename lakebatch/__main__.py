"""The command line as ``python -m lakebatch``."""

from lakebatch.cli import main

if __name__ == "__main__":
    main()
