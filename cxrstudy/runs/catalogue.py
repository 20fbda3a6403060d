"""The list of studies, and where a run of one leaves what it made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from cxrstudy.paths import project_root, recorded_folder

CELL_FILE = "cell.json"
"""In the temporary folder of a run, beside its stamp: the cell that it is at."""


@dataclass(frozen=True)
class Study:
    """One study of the book, as ``studies.yaml`` lists it."""

    name: str
    title: str
    notebook: str  # file name in ``notebooks/``
    data: tuple[str, ...]  # data sets of the registry that it reads
    sets: Mapping[str, Mapping[str, object]]  # parameter set to what it overrides
    part: str = ""  # of the table of contents
    question: str = ""  # title of its page
    card: bool = False  # whether the landing page and the README tell its answer
    seconds: float = 0.0  # of a recorded run of the set "quick" on two cores; 0 if unknown
    # Parameter set to what its run asks a cluster for: {"quick": {"cores": 1, "mem_mb": 2000, ...}}
    resources: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def notebook_path(self) -> Path:
        """Path of the source notebook."""
        return project_root() / "notebooks" / self.notebook

    def parameters(self, set_name: str) -> dict[str, object]:
        """Look up what a parameter set overrides."""
        if set_name not in self.sets:
            raise KeyError(
                f"study {self.name} has no parameter set {set_name!r}; it has: "
                f"{', '.join(self.sets)}"
            )
        return dict(self.sets[set_name])


@cache
def studies() -> dict[str, Study]:
    """Load the list of studies by name, in reading order."""
    text = (project_root() / "notebooks" / "studies.yaml").read_text("utf-8")
    listed = yaml.safe_load(text)
    found = {}
    for name, entry in listed["studies"].items():
        differing = entry.get("resources", {})
        resources = {each: listed["resources"] | differing.get(each, {}) for each in entry["sets"]}
        converted = {"data": tuple(entry["data"]), "resources": resources}
        found[name] = Study(name=name, **entry | converted)
    return found


def study(name: str) -> Study:
    """Look one study up by name."""
    if name not in studies():
        raise KeyError(f"no study {name!r}; studies are: {', '.join(studies())}")
    return studies()[name]


@dataclass(frozen=True)
class RunFolders:
    """Where a run leaves its executed notebook, its stamp, its tables, or a note that it failed."""

    executed: Path
    stamp: Path
    failure: Path
    results: Path

    @classmethod
    def of(cls, study: str, build: str | Path = "_build") -> "RunFolders":
        """Lay a study's folders out below a build folder."""
        run = project_root() / build / "runs" / study
        return cls(
            executed=run / "executed.ipynb",
            stamp=run / "stamp.json",
            failure=run / "failure.json",
            results=project_root() / build / "results" / study,
        )

    @classmethod
    def recorded(cls, study: str) -> "RunFolders":
        """Lay out where the repository keeps a study's recorded run, whether or not it has one."""
        run = recorded_folder() / study
        return cls(run / "page.ipynb", run / "stamp.json", run / "failure.json", run / "results")

    def read_stamp(self) -> dict:
        """Read what the run says of itself; empty if none has finished."""
        return json.loads(self.stamp.read_text("utf-8")) if self.stamp.exists() else {}

    def read_failure(self) -> str:
        """Read the error that stopped the run."""
        return json.loads(self.failure.read_text("utf-8"))["error"]
