"""Where a run leaves what it made."""

from dataclasses import dataclass
from pathlib import Path

from cxrstudy.paths import project_root


@dataclass(frozen=True)
class RunFolders:
    """Where a run leaves its executed notebook, its stamp and its tables."""

    executed: Path
    stamp: Path
    failure: Path
    results: Path

    @classmethod
    def of(cls, study: str, build: str | Path = "_build") -> "RunFolders":
        """Lay a study's folders out below a build folder."""
        build = project_root() / build
        return cls(
            executed=build / "runs" / study / "executed.ipynb",
            stamp=build / "runs" / study / "stamp.json",
            failure=build / "runs" / study / "failure.json",
            results=build / "results" / study,
        )
