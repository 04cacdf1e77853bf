"""`python -m flatline` is the command `flatline`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
