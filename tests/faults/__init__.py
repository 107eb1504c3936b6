"""Faults, injected for real: real processes, real signals, a hard limit of time on each test."""
