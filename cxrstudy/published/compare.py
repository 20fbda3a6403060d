"""Compare measured cells with printed ones, as closely as the printing allows."""

import pandas as pd

from cxrstudy.published.papers import PublishedTable


def compare_cells(measured: pd.DataFrame, published: PublishedTable) -> pd.DataFrame:
    """Line measured cells up with a published table.

    Parameters
    ----------
    measured : DataFrame
        Rows and columns named as in the publication; any subset of them.
    published : PublishedTable

    Returns
    -------
    DataFrame
        One row for each shared cell: row, column, published, measured, and ``agrees``, whether
        the two differ by at most half a unit of the last printed digit.
    """
    rows = [name for name in published.values.index if name in measured.index]
    columns = [name for name in published.values.columns if name in measured.columns]
    cells = pd.DataFrame(
        [
            (row, column, published.values.loc[row, column], measured.loc[row, column])
            for row in rows
            for column in columns
        ],
        columns=["row", "column", "published", "measured"],
    )
    # The tolerance of 1e-9 only absorbs the binary form of the printed decimals.
    difference = (cells["measured"] - cells["published"]).abs()
    return cells.assign(agrees=difference <= published.half_unit + 1e-9)
