"""Write environment.yml with the versions of requirements.lock, for conda users."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = """\
# The versions of requirements.lock for conda users; written by `make lock`.
name: cxrstudy
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def environment(lock: str) -> str:
    """Turn pinned requirements into a conda environment that installs the same ones."""
    pins = [line for line in lock.splitlines() if line and not line.startswith("#")]
    quoted = (line.replace('"', "'") for line in [*pins, "-e ."])
    return HEADER + "".join(f'    - "{line}"\n' for line in quoted)


if __name__ == "__main__":
    text = (ROOT / "requirements.lock").read_text("utf-8")
    (ROOT / "environment.yml").write_text(environment(text), "utf-8")
