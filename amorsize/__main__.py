"""``python -m amorsize``: the same as the command ``amorsize``."""

from __future__ import annotations

import sys

from amorsize.cli import main

if __name__ == "__main__":
    sys.exit(main())
