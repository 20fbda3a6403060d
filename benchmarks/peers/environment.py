"""The virtual environment of a peer whose requirements do not fit beside ours."""

import subprocess
import sys
import venv
from pathlib import Path

ENVIRONMENTS = Path("_build/bench")


def peer_python(name: str) -> Path:
    """Return the Python of a peer's environment, made when it is absent or outdated.

    ``{name}_requirements.txt`` beside this module pins what it holds.
    """
    if sys.version_info >= (3, 13):
        raise RuntimeError(f"{name} needs Python 3.11 or 3.12: run make bench with one of these")
    folder = (ENVIRONMENTS / name).absolute()
    python = folder / "bin" / "python"
    requirements = Path(__file__).with_name(f"{name}_requirements.txt")
    installed = folder / "installed.txt"
    if not installed.exists() or installed.read_bytes() != requirements.read_bytes():
        print(f"installing {requirements.name} into {folder}")
        venv.create(folder, clear=True, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "--requirement", requirements]
        if subprocess.run(install).returncode:
            raise RuntimeError(f"{requirements} could not be installed; see pip's message above")
        installed.write_bytes(requirements.read_bytes())
    return python
