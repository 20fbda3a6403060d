"""Who was imaged and what each source says, for any images of ChestX-ray14."""

import pandas as pd

from cxrstudy.data.nih_experts import load_google, load_nih, load_rsna


def nih_tables(images: pd.Index) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Look images up in the tables of the NIH, RSNA and Google."""
    nih = load_nih()
    unknown = images.difference(nih.images.index)
    if len(unknown):
        raise KeyError(f"the NIH's table has no image {unknown[0]!r} ({len(unknown)} such images)")
    google = pd.concat(load_google().values())
    return nih.images.loc[images], {
        "nlp": nih.labels.loc[images],
        "rsna": load_rsna().labels.reindex(images),
        "google": google.reindex(images),
    }
