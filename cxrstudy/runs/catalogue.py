"""The list of studies: notebook, title, data sets and parameter sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from cxrstudy.paths import project_root


@dataclass(frozen=True)
class Study:
    """One study of the book.

    Attributes
    ----------
    name, title : str
    notebook : str
        File name in ``notebooks/``.
    data : tuple of str
        Data sets of the registry that the study reads.
    sets : mapping of str to mapping
        Name of a parameter set to the parameters that it overrides.
    recorded : str
        Table that is kept of the best run; empty for a study that every build runs in full.
    """

    name: str
    title: str
    notebook: str
    data: tuple[str, ...]
    sets: Mapping[str, Mapping[str, object]]
    recorded: str = ""

    @property
    def notebook_path(self) -> Path:
        """Path of the source notebook."""
        return project_root() / "notebooks" / self.notebook

    def parameters(self, set_name: str) -> dict[str, object]:
        """Look up what a parameter set overrides.

        Raises
        ------
        KeyError
            If the study has no such set; the message lists those it has.
        """
        if set_name not in self.sets:
            raise KeyError(
                f"study {self.name} has no parameter set {set_name!r}; it has: "
                f"{', '.join(self.sets)}"
            )
        return dict(self.sets[set_name])


@cache
def studies() -> dict[str, Study]:
    """Load the list of studies.

    Returns
    -------
    dict of str to Study
        In reading order.
    """
    text = (project_root() / "notebooks" / "studies.yaml").read_text("utf-8")
    return {
        name: Study(name=name, data=tuple(entry.pop("data")), **entry)
        for name, entry in yaml.safe_load(text)["studies"].items()
    }


def study(name: str) -> Study:
    """Look one study up by name.

    Raises
    ------
    KeyError
        If there is no such study; the message lists those there are.
    """
    if name not in studies():
        raise KeyError(f"no study {name!r}; studies are: {', '.join(studies())}")
    return studies()[name]
