"""Measure what pruning promises: seven classic scenarios over 30 seeds each, and the further ones.

python examples/ml_pruning_validation.py            everything, under 10 minutes
python examples/ml_pruning_validation.py --quick    under a minute
python examples/ml_pruning_validation.py --help     more

The same as ``amorsize validate``.
"""

from __future__ import annotations

import sys

from amorsize.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["validate", *sys.argv[1:]]))
