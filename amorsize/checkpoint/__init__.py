"""A run's results in a file of their own, so that it goes on where an earlier one ended."""
