"""`make bench`: every benchmark, each against named peers in the same run."""

import importlib
import pkgutil

import benchmarks

for found in sorted(pkgutil.iter_modules(benchmarks.__path__), key=lambda found: found.name):
    if not found.ispkg and found.name != "__main__":
        importlib.import_module(f"benchmarks.{found.name}").main()
