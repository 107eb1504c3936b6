"""A small library that is built with GNU OpenMP."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

OPENMP = """
#include <omp.h>
double work(int n, int threads) {
    double sum = 0;
    #pragma omp parallel for reduction(+:sum) num_threads(threads)
    for (int i = 0; i < n; i++) sum += i * 0.5;
    return sum;
}
int used(void) {
    int n = 0;
    #pragma omp parallel
    #pragma omp single
    n = omp_get_num_threads();
    return n;
}
"""


@pytest.fixture(scope="module")
def openmp_library(tmp_path_factory: pytest.TempPathFactory) -> str:
    if sys.platform != "linux" or shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    place = tmp_path_factory.mktemp("openmp")
    (place / "work.c").write_text(OPENMP)
    library = place / "work.so"
    command = ["gcc", "-O1", "-fopenmp", "-shared", "-fPIC", "-o", str(library), "work.c"]
    if subprocess.run(command, cwd=place, capture_output=True).returncode != 0:
        pytest.skip("gcc cannot build with OpenMP")
    return str(library)
