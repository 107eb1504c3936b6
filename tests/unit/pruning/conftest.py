"""These tests compute with NumPy."""

from support.blas import one_blas_thread as one_blas_thread
