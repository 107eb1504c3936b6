"""The parts behind `amorsize.ml_pruning`; arrays only, NumPy only."""
