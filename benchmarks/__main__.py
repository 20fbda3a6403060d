"""`make bench`: every benchmark, each against named peers in the same run."""

import importlib

BENCHMARKS = (
    "agreement",
    "audit_tools",
    "image_training",
    "kernels.__main__",
    "probes",
    "reports",
    "students",
)

for name in BENCHMARKS:
    importlib.import_module(f"benchmarks.{name}").main()
