"""A package of the user's: what callers import is made two modules further on."""

from .middle import account, lookup, price

__all__ = ["account", "lookup", "price"]
