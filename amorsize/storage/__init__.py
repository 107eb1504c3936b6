"""What one file of our own needs: ownership, a lock, one connection that no fork shares, transactions."""
