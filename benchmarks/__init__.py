"""Benchmarks of amorsize against the plain loop, a grid of pools and its peers. See README.md."""
