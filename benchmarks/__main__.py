"""`make bench`: every benchmark, each against named peers in the same run."""

import importlib
import pkgutil

import benchmarks

for module in sorted(found.name for found in pkgutil.iter_modules(benchmarks.__path__)):
    if module != "__main__":
        importlib.import_module(f"benchmarks.{module}").main()
