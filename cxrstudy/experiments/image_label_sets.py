"""The NIH's text-mined labels as sets of observations, which texts can be matched to."""

import pandas as pd

from cxrstudy.observations import OBSERVATIONS, crosswalk

_CLOSE = ("exact", "narrower")


def nih_label_sets(labels: pd.DataFrame) -> pd.DataFrame:
    """Write the NIH's text-mined labels as observations, by the terms that mean these or less."""
    table = crosswalk()
    terms = table[(table["source"] == "nih") & table["relation"].isin(_CLOSE)]
    names = [name for name in OBSERVATIONS if name in set(terms["observation"])]
    wanted = {name: terms.loc[terms["observation"] == name, "term"] for name in names}
    return pd.DataFrame({name: labels[list(own)].max(axis=1) for name, own in wanted.items()})
