"""Where the rows of a benchmark go, and what they say of their making.

A bare GPU machine may have neither a checkout nor this package's other requirements,
so the commit may come from the environment and nothing heavy is imported.
"""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import torch

from cxrstudy.paths import project_root
from cxrstudy.recorded import recorded_path
from cxrstudy.whole_files import written_whole

COMMIT_VARIABLE = "CXRSTUDY_COMMIT"


def commit() -> str:
    """Name the commit, marked if the tree has changes; empty if nothing tells."""
    if COMMIT_VARIABLE in os.environ:
        return os.environ[COMMIT_VARIABLE]
    return _said_by("git", "describe", "--always", "--dirty=+changes", "--abbrev=12", "--exclude=*")


def hardware(device: torch.device) -> str:
    """Name the GPU, or the processor if the device is one."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    listed = Path("/proc/cpuinfo")
    text = listed.read_text("utf-8", errors="replace") if listed.exists() else ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    name = named[1].strip() if named else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


def versions(device: torch.device) -> str:
    """List what computes, the driver on a GPU."""
    import triton

    named = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "triton": triton.__version__,
    }
    if device.type == "cuda":
        asked = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        named["driver"] = _said_by(*asked).split("\n")[0] or "unknown"
    return ", ".join(f"{name} {version}" for name, version in named.items())


def provenance(device: torch.device) -> dict[str, str]:
    """Say where rows come from, in the columns of `cxrstudy.recorded.PROVENANCE`."""
    return {
        "set": "benchmark",
        "hardware": hardware(device),
        "versions": versions(device),
        "date": datetime.now(UTC).date().isoformat(),
        "data": "synthetic",
        "commit": commit(),
    }


def append(rows: pd.DataFrame) -> Path:
    """Add measured rows to the recorded ones, whole or not at all."""
    path = recorded_path("kernels")
    earlier = [pd.read_csv(path)] if path.exists() else []
    return write(pd.concat([*earlier, rows]), "kernels")


def write(table: pd.DataFrame, name: str) -> Path:
    """Write a recorded table, whole or not at all."""
    path = recorded_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as unfinished:
        table.to_csv(unfinished, index=False, float_format="%.6g", lineterminator="\n")
    return path


def _said_by(*command: str) -> str:
    """Return a program's output, empty if there is no such program or it fails."""
    try:
        done = subprocess.run(
            command, cwd=project_root(), capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
