"""Scores of many label sources at all sites, and what travels: differences of differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cxrstudy.agreement import Estimate, Resampling
from cxrstudy.agreement.result import LIMITS, mean_estimate
from cxrstudy.data.images import ImageSet
from cxrstudy.data.images.sites import load_brixia, load_kermany, load_own_site
from cxrstudy.data.nih_experts import LUNG_OPACITY
from cxrstudy.experiments.image_labels import EXPERTS, REPORTS
from cxrstudy.studies.labels_that_travel import controls
from cxrstudy.studies.labels_that_travel.heads import (
    ERRORS,
    ERRORS_IN_VIEW,
    REPORTS_OF_READ,
    Fitted,
    Source,
    endpoint_labels,
    fit_heads,
)
from cxrstudy.studies.labels_that_travel.judges import (
    HOME,
    WITHIN_DECILES,
    Judge,
    home_judge,
    part_of,
    site_judges,
    within_view,
)

KERMANY, BRIXIA = "Kermany", "Brixia"
UNSEEN = "Kermany, training images"
OTHER_READER = "the other radiologist"
HOME_WITHIN_VIEW = f"{HOME}, within view"
DECISIVE = (f"{KERMANY}, {WITHIN_DECILES}", BRIXIA)
"""Judges on whom the decision rests."""

CONTROLS = (
    controls.BYTES,
    controls.MEAN,
    controls.DEVIATION,
    controls.DETAIL,
    controls.BORDERS,
    controls.CHILD,
)
"""What stands beside every score of the second site."""

ANY_ENDPOINT = "any"

# Lowest global Brixia scores of the middle and the high band.
BANDS = (6.0, 12.0)

WORDS: Mapping[str, str] = {
    EXPERTS: "experts",
    REPORTS_OF_READ: "report labels, same images",
    REPORTS: "report labels, all images",
    ERRORS: "experts, random errors",
    ERRORS_IN_VIEW: "experts, random errors within view",
    "expert, weighted": "experts, inverse-sampling weights",
    "report_of_read, weighted": "report labels, same images, inverse-sampling weights",
    "abnormal": "abnormal against normal",
    "normal_or_opacity": "opacity against normal",
    controls.BYTES: "control: bytes of the file",
    controls.MEAN: "control: mean grey",
    controls.DEVIATION: "control: s.d. of grey",
    controls.DETAIL: "control: fine detail",
    controls.BORDERS: "control: borders alone",
    controls.CHILD: "control: child or adult",
    "expert - report_of_read": "experts minus report labels, same images",
    "expert - report": "experts minus report labels, all images",
    "not_reached": "share of draws in which no number suffices",
}
"""Keys of the study's tables to what the page says for them."""

_JUDGED = {
    KERMANY: "normal (0) or pneumonia (1), two physicians",
    BRIXIA: "Brixia score, 0 to 18, mean of two radiologists",
    "Own site": "labels of your table",
}
_COLUMNS = ["network", "source", "judge", *LIMITS, "n"]


@dataclass(frozen=True, eq=False)
class Sites:
    """Images at home and abroad, and who judges them."""

    home: ImageSet
    read: ImageSet  # the part of it that experts read
    abroad: dict[str, ImageSet]
    resampling: Resampling
    judges: list[Judge] = field(default_factory=list)  # abroad

    @classmethod
    def load(
        cls,
        home: ImageSet,
        resampling: Resampling,
        *,
        whole: bool = True,
        own: str = "",
    ) -> "Sites":
        """Load every site that is to be had; `own` is the table of a reader's own images."""
        read = home.labels["rsna"][LUNG_OPACITY].notna()
        found = {KERMANY: load_kermany(whole), BRIXIA: load_brixia() if whole else None}
        if own:
            found["Own site"] = load_own_site(own)
        abroad = {name: site for name, site in found.items() if site is not None}
        read_part = home.subset(home.images.index[read])
        return cls(home, read_part, abroad, resampling, site_judges(abroad, resampling))

    def table(self) -> pd.DataFrame:
        """Say what each site holds."""
        return controls.sites_table(self.abroad, _JUDGED)

    def at_home(self, endpoint: str = "opacity") -> list[Judge]:
        """Let the experts at home judge an endpoint, pooled over views and within view."""
        truth = endpoint_labels(self.read, endpoint)[EXPERTS].to_numpy(float)
        judge = home_judge(self.read, truth, self.resampling)
        return [judge, within_view(judge, self.read.images["view"])]

    def of_size(self, small: ImageSet) -> Judge:
        """Let the experts at home judge the images of trained networks, in their own order."""
        read = small.labels["rsna"][LUNG_OPACITY].dropna()
        part = small.subset(read.index)
        return home_judge(part, read.to_numpy(float), self.resampling)

    def bands(self) -> list[Judge]:
        """Let Brixia's radiologists judge between neighbouring bands of their scores."""
        found = []
        for judge in (each for each in self.judges if each.name == BRIXIA):
            band = np.digitize(judge.truth, BANDS)
            for low, words in enumerate(("low or middle score", "middle or high score")):
                chosen = np.isin(band, (low, low + 1))
                truth = np.where(chosen, band, np.nan).astype(float)
                found.append(part_of(judge, f"{BRIXIA}, {words}", truth))
        return found

    def unseen(self) -> list[Judge]:
        """Let Kermany's physicians judge the training images alone, within deciles of bytes."""
        site = self.abroad[KERMANY]
        new = site.images["split"].eq("train").to_numpy()
        judge = next(each for each in self.judges if each.name == DECISIVE[0])
        truth = np.where(new, judge.truth, np.nan)
        return [part_of(judge, UNSEEN, truth)] if new.any() else []


@dataclass(frozen=True, eq=False)
class Scores:
    """Somers' D by network, label source and judge."""

    found: dict[tuple[str, str, str], Estimate] = field(default_factory=dict)

    def add(
        self,
        network: str,
        fitted: Mapping[str, tuple[Fitted, Fitted]],
        features: Mapping[str, np.ndarray],
        judges: Sequence[Judge],
    ) -> None:
        """Let the judges score heads, as fitted to all patients and to draws of them."""
        for source, (whole, drawn) in fitted.items():
            for judge in (each for each in judges if each.site in features):
                sides = (
                    each.held_out if judge.site == HOME else each.scores(features[judge.site])
                    for each in (whole, drawn)
                )
                self.found[network, source, judge.name] = judge.score(*sides)

    def add_scores(
        self, network: str, source: str, scores: Mapping[str, np.ndarray], judges: Sequence[Judge]
    ) -> None:
        """Let the judges score what no draw of patients at home changes, by site."""
        for judge in (each for each in judges if each.site in scores):
            self.found[network, source, judge.name] = judge.score(scores[judge.site])

    def has(self, *key: str) -> bool:
        """Say whether a network's source was judged."""
        return key in self.found

    def difference(self, network: str, first: str, second: str, judge: str) -> Estimate:
        """Estimate how much better one source is than another at one judge."""
        return self.found[network, first, judge] - self.found[network, second, judge]

    def travel(
        self, network: str, first: str, second: str, judge: str, home: str = HOME
    ) -> Estimate:
        """Estimate by how much more one source is better abroad than at home."""
        here = self.difference(network, first, second, home)
        return self.difference(network, first, second, judge) - here

    def table(self, networks: Sequence[str], sources: Sequence[str] = ()) -> pd.DataFrame:
        """Tabulate scores; all sources in the order in which they were added, unless named."""
        rows = [
            {"network": network, "source": source, "judge": judge} | estimate.row()
            for (network, source, judge), estimate in self.found.items()
            if network in networks and (source in sources or not sources)
        ]
        return pd.DataFrame(rows, columns=_COLUMNS)

    def travel_table(
        self, second: Sequence[str] = (REPORTS_OF_READ, REPORTS), first: str = EXPERTS
    ) -> pd.DataFrame:
        """Tabulate what travels, by network, difference and judge abroad; home for comparison."""
        rows = []
        for network in dict.fromkeys(key[0] for key in self.found):
            for other in second:
                if not self.has(network, other, HOME):
                    continue
                judges = [j for n, s, j in self.found if (n, s) == (network, other)]
                for judge in judges:
                    row = {"network": network, "difference": f"{first} - {other}", "judge": judge}
                    here = self.difference(network, first, other, judge)
                    rows.append(row | {"quantity": "difference"} | here.row())
                    if not judge.startswith(HOME):
                        moved = self.travel(network, first, other, judge)
                        rows.append(row | {"quantity": "minus home"} | moved.row())
        columns = ["network", "difference", "judge", "quantity", *LIMITS, "n"]
        return pd.DataFrame(rows, columns=columns)

    def cells(
        self,
        second: str,
        networks: Sequence[str],
        judges: Sequence[str] = DECISIVE,
        home: str = HOME,
    ) -> dict[str, Estimate]:
        """Collect what decides a claim, experts minus another source, by network and judge.

        Empty unless all are there.
        """
        keys = [(network, judge) for network in networks for judge in judges]
        if not all(self.has(n, s, j) for n, j in keys for s in (EXPERTS, second)):
            return {}
        return {f"{n}, {j}": self.travel(n, EXPERTS, second, j, home) for n, j in keys}


def add_controls(
    scores: Scores, network: str, sites: Sites, features: Mapping[str, np.ndarray]
) -> None:
    """Add every site control as a score of its own, and the radiologists at Brixia as a ceiling."""
    found = {name: controls.site_controls(site) for name, site in sites.abroad.items()}
    heads = controls.control_heads(sites.home, features, sites.abroad)
    for control in CONTROLS:
        by_site = heads.get(control) or {name: each[control] for name, each in found.items()}
        scores.add_scores(network, control, by_site, sites.judges)
    for judge in (each for each in sites.judges if each.name == BRIXIA):
        readers = sites.abroad[BRIXIA].labels["readers"].to_numpy(float).T
        # Each is judged by the other one.
        both = [
            part_of(judge, BRIXIA, truth).score(other) for truth, other in (readers, readers[::-1])
        ]
        scores.found[network, OTHER_READER, BRIXIA] = mean_estimate(both)


def copy_controls(scores: Scores, network: str, other: Scores) -> None:
    """Put the controls of the second site beside other scores that its experts judge."""
    for (name, source, judge), estimate in scores.found.items():
        if name == network and source in CONTROLS:
            other.found[ANY_ENDPOINT, source, judge] = estimate


def penalty_table(
    sites: Sites,
    features: Mapping[str, np.ndarray],
    sources: Mapping[str, Source],
    judges: Sequence[Judge],
    inverse_penalties: Sequence[float],
) -> pd.DataFrame:
    """Tabulate heads by a penalty that is given and not chosen, in the units of either judge.

    AUROC where experts name classes, Spearman's rho where they give scores; intervals are of the
    patients who are judged, conditional on the heads.
    """
    rows = []
    for penalty in inverse_penalties:
        for name, source in sources.items():
            head = fit_heads(sites.home, features[HOME], source, None, [penalty])
            for judge in judges:
                at_home = judge.site == HOME
                scores = (head.held_out if at_home else head.scores(features[judge.site]))[0]
                row = {"inverse_penalty": f"{penalty:g}", "source": name, "judge": judge.name}
                if len(np.unique(judge.truth)) > 2:
                    found = judge.rank_correlation(scores).row()
                else:
                    found = judge.score(scores).row()
                    found |= {limit: (found[limit] + 1) / 2 for limit in LIMITS}
                rows.append(row | found)
    return pd.DataFrame(rows)
