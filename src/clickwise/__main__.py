"""``python -m clickwise`` is the command ``clickwise``."""

import sys

from clickwise.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
