"""All observations of a label table as one column, for scores over all cells at once."""

import pandas as pd


def pool_observations(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Put the observations of a label table below each other.

    A score of the pooled column is the micro average: each cell counts the same, so common
    observations dominate. For its interval, the cells of one row must be drawn together; repeat
    each row's cluster label once for each observation.

    Parameters
    ----------
    table : DataFrame, shape (n_rows, n_observations)
    name : str
        Name of the one column.

    Returns
    -------
    DataFrame, shape (n_rows * n_observations, 1)
        Indexed by row and observation; the cells of a row are neighbours, missing ones stay.
    """
    return table.stack().to_frame(name)
