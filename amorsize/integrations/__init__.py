"""amorsize inside of other libraries; each module is imported when its host is asked for."""

from __future__ import annotations


def register_joblib_backend() -> None:
    """Make ``joblib.parallel_config(backend="amorsize")`` known to joblib, and so to scikit-learn.

    Every ``Parallel`` call under it then runs serially, on threads or in processes, whichever is fastest;
    ``prefer``, ``require``, ``n_jobs`` and all other options of joblib mean what they mean there, and
    ``n_jobs=None`` means all cores. Needs joblib (``pip install amorsize[joblib]``)."""
    from amorsize.integrations.joblib.backend import register

    register()
