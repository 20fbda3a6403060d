"""Captioned tables and figures of a notebook, each saved as a table beside the page."""

import base64
import html
import io
import re
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import publish_display_data
from matplotlib.axes import Axes

from cxrstudy.paths import in_project
from cxrstudy.recorded import (
    PROVENANCE,
    load_recorded,
    provenance_in_full,
    provenance_in_words,
)
from cxrstudy.whole_files import written_whole

METADATA_KEY = "cxrstudy"
"""Key of the output metadata that tells the book what a cell shows."""

UNDEFINED = "\N{EN DASH}"
"""What a table shows in place of a number that does not exist."""

# From here on a mean is not known to a thousandth.
_LARGE = 100

# Private-use characters that stand for a mark while everything else is escaped.
_MARK, _END_OF_MARK = "\ue000", "\ue001"


def anchor(name: str) -> str:
    """Return the HTML id under which a page shows a table or figure."""
    return name.replace("_", "-")


def save_table(table: pd.DataFrame, name: str, results: str | Path) -> Path:
    """Write an aggregate table as CSV, whole or not at all.

    Parameters
    ----------
    table : DataFrame
        The index is written if it has a name.
    name : str
        File name without ending.
    results : str or Path
        The study's result folder, relative to the project or absolute; made if missing.

    Returns
    -------
    Path
    """
    folder = in_project(results)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    index = _has_named_index(table)
    with written_whole(path) as unfinished:
        table.to_csv(unfinished, index=index, float_format="%.6g", lineterminator="\n")
    return path


def show_table(
    table: pd.DataFrame,
    name: str,
    caption: str,
    results: str | Path,
    decimals: int | dict[str, int] = 3,
    digits: dict[str, int] | None = None,
) -> None:
    """Show a table with its caption and save it for download.

    Cells are text from reports and tables as well as numbers, so everything is escaped.

    Parameters
    ----------
    table : DataFrame
    name : str
        Name of the saved file and of the anchor that the ledger links to.
    caption : str
        What the table shows, on which data, with how many cases.
    results : str or Path
        The study's result folder.
    decimals : int or dict of str to int
        Decimals of floating-point columns, for all or by column. Numbers from 100 on show at
        most one.
    digits : dict of str to int, optional
        Columns to round to so many significant digits instead.
    """
    save_table(table, name, results)
    shown = table.reset_index() if _has_named_index(table) else table
    _publish_table(_formatted(shown, decimals, digits), name, caption)


def show_estimates(
    table: pd.DataFrame,
    name: str,
    caption: str,
    results: str | Path,
    *,
    rows: str | list[str],
    columns: str | list[str],
    decimals: int = 3,
    details: str = "",
) -> None:
    """Show estimates with their intervals side by side, and save them as a tidy table.

    Parameters
    ----------
    table : DataFrame
        Tidy: columns ``estimate``, ``low``, ``high`` and those named below; other columns are
        saved and not shown. Where a column ``too_few`` is true, the cell shows the number of
        positives instead.
    name, caption, results
        As for `show_table`.
    rows, columns : str or list of str
        What to lay out downwards and sideways, in order of first appearance.
    decimals : int
        Decimals of estimates and limits.
    details : str
        What stands folded below the table.
    """
    save_table(table, name, results)
    rows, columns = ([key] if isinstance(key, str) else list(key) for key in (rows, columns))
    cells = [_with_interval(row, decimals) for row in table.itertuples()]
    order = [dict.fromkeys(map(tuple, table[key].to_numpy())) for key in (rows, columns)]
    wide = (
        table[rows + columns].assign(cell=cells).pivot(index=rows, columns=columns, values="cell")
    )
    wide = wide.loc[
        [key if len(rows) > 1 else key[0] for key in order[0]],
        [key if len(columns) > 1 else key[0] for key in order[1]],
    ].fillna(UNDEFINED)
    wide.columns = [", ".join(key) for key in order[1]]
    _publish_table(wide.reset_index(), name, f"{caption} Brackets: 95 % interval.", details)


def show_quotes(table: pd.DataFrame, name: str, caption: str, results: str | Path) -> None:
    """Show short quotes with the evidence in them highlighted, and save them as plain text.

    Parameters
    ----------
    table : DataFrame of str
        Columns ``before``, ``evidence`` and ``after``, which become the one column ``quote`` in
        place of the first of them; other columns are shown as they are. Everything is escaped.
    name, caption, results
        As for `show_table`.
    """
    plain = table.astype("str").replace(f"[{_MARK}{_END_OF_MARK}]", "", regex=True)
    marked = plain.assign(evidence=_MARK + plain["evidence"] + _END_OF_MARK)
    saved, shown = (
        kind.assign(before=kind["before"] + " " + kind["evidence"] + " " + kind["after"])
        .rename(columns={"before": "quote"})
        .drop(columns=["evidence", "after"])
        for kind in (plain, marked)
    )
    save_table(saved, name, results)
    body = _table_html(shown).replace(_MARK, "<mark>").replace(_END_OF_MARK, "</mark>")
    _publish(body, saved.to_string(index=False), name, caption)


def show_figure(
    axes: Axes, data: pd.DataFrame, name: str, caption: str, alt: str, results: str | Path
) -> None:
    """Show a figure with caption and alt text, and save the table behind it.

    Parameters
    ----------
    axes : Axes
        What a function of `cxrstudy.figures` returned; its figure is closed.
    data : DataFrame
        The aggregate numbers that the figure draws.
    name : str
        Name of the saved table and of the anchor that the ledger links to.
    caption : str
        What the figure shows, on which data, with how many cases.
    alt : str
        What a reader who does not see the figure should know.
    results : str or Path
        The study's result folder.
    """
    save_table(data, name, results)
    image = io.BytesIO()
    figure = axes.get_figure()
    figure.savefig(image, format="png", metadata={"Software": None})
    plt.close(figure)
    publish_display_data(
        {"image/png": base64.b64encode(image.getvalue()).decode("ascii"), "text/plain": alt},
        metadata={
            METADATA_KEY: {"kind": "figure", "name": name, "caption": caption, "alt": alt},
            "image/png": {"alt": alt},
        },
    )
    publish_display_data(
        {"text/markdown": f"*{caption}*", "text/plain": caption},
        metadata={METADATA_KEY: {"kind": "caption", "name": name}},
    )


def show_note(name: str, text: str) -> None:
    """Show a sentence where a table or figure would stand if there were one.

    Parameters
    ----------
    name : str
        Name of the anchor.
    text : str
        Why there is nothing to show.
    """
    body = f'<p class="cxr-caption" id="{anchor(name)}">{html.escape(text)}</p>'
    publish_display_data(
        {"text/html": body, "text/plain": text},
        metadata={METADATA_KEY: {"kind": "note", "name": name}},
    )


def show_recorded(
    study: str,
    name: str,
    caption: str,
    results: str | Path,
    nothing: str = "No run beyond this page's own has been recorded.",
    select: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    **layout,
) -> None:
    """Show what a longer run of a study found, apart from this run's own results.

    Parameters
    ----------
    study : str
        Name of the study.
    name : str
        Name of the saved file and of the anchor.
    caption : str
        What the table shows; set, date, hardware and n are added, versions and hashes folded.
    results : str or Path
        The study's result folder.
    nothing : str
        What to say in place of the table if no run was recorded.
    select : callable, optional
        From the recorded table to the part that is shown; all of it unless given.
    **layout
        As for `show_estimates`; without it the rows are shown as recorded.
    """
    recorded = load_recorded(study)
    if recorded is None:
        show_note(name, nothing)
        return
    recorded = recorded if select is None else select(recorded)
    caption, details = _with_provenance(caption, recorded)
    table = recorded.drop(columns=list(PROVENANCE))
    if layout:
        show_estimates(table, name, caption, results, details=details, **layout)
    else:
        save_table(table, name, results)
        _publish_table(_formatted(table, 2), name, caption, details)


def show_recorded_figure(
    study: str,
    select: Callable[[pd.DataFrame], pd.DataFrame],
    draw: Callable[[pd.DataFrame], Axes],
    *,
    name: str,
    caption: str,
    alt: Callable[[pd.DataFrame], str],
    results: str | Path,
    nothing: str = "No run beyond this page's own has been recorded.",
) -> None:
    """Draw what a longer run of a study found, apart from this run's own results.

    Parameters
    ----------
    study : str
        Name of the study.
    select : callable
        From the recorded table to the rows that are drawn.
    draw : callable
        From these rows to a figure.
    name : str
        Name of the saved file and of the anchor.
    caption : str
        What the figure shows; set, date, hardware and n are added.
    alt : callable
        From the rows to what the figure says, in words.
    results : str or Path
        The study's result folder.
    nothing : str
        What to say in place of the figure if no run was recorded.
    """
    recorded = load_recorded(study)
    if recorded is None:
        show_note(name, nothing)
        return
    recorded = select(recorded)
    caption = f"{caption} {provenance_in_words(recorded)}"
    rows = recorded.drop(columns=list(PROVENANCE))
    show_figure(draw(rows), rows, name, caption, alt(rows), results)


def recorded_html(study: str, caption: str) -> str:
    """Lay a study's recorded rows out as HTML, for a page that has no run of its own.

    Parameters
    ----------
    study : str
        Name of the study.
    caption : str
        What the table shows; set, date, hardware and n are added, versions and hashes folded.

    Returns
    -------
    str
        With every text escaped; empty if no run was recorded.
    """
    recorded = load_recorded(study)
    if recorded is None:
        return ""
    shown = _formatted(recorded.drop(columns=list(PROVENANCE)), 3)
    return _block(_table_html(shown), "recorded", *_with_provenance(caption, recorded))


def _with_provenance(caption: str, recorded: pd.DataFrame) -> tuple[str, str]:
    """Put plain facts into the caption and the rest into what a click unfolds."""
    return f"{caption} {provenance_in_words(recorded)}", provenance_in_full(recorded)


def _publish_table(shown: pd.DataFrame, name: str, caption: str, details: str = "") -> None:
    shown = shown.rename(columns=lambda column: str(column).replace("_", " "))
    _publish(_table_html(shown), shown.to_string(index=False), name, caption, details)


def _table_html(shown: pd.DataFrame) -> str:
    """Lay a table out; cells of text get room, and short ones stay on one line."""
    with pd.option_context("display.max_colwidth", None):
        body = shown.to_html(index=False, escape=True, border=0, classes="dataframe cxr-table")
    body = re.sub(r"<td>(?=[^<]{1,10}</td>)", '<td class="cxr-short">', body)
    return re.sub(r"<td>(?=[^<]{37,}</td>)", '<td class="cxr-text">', body)


def _publish(body: str, text: str, name: str, caption: str, details: str = "") -> None:
    publish_display_data(
        {"text/html": _block(body, name, caption, details), "text/plain": f"{caption}\n{text}"},
        metadata={METADATA_KEY: {"kind": "table", "name": name}},
    )


def _block(body: str, name: str, caption: str, details: str = "") -> str:
    label = f"{anchor(name)}-caption"
    folded = (
        '\n<details class="cxr-details"><summary>Provenance of this run</summary>'
        f"<p>{html.escape(details)}</p></details>"
    )
    return (
        f'<div class="cxr-block" id="{anchor(name)}">\n'
        f'<p class="cxr-caption" id="{label}">{html.escape(caption)}</p>\n'
        f'<div class="cxr-scroll" tabindex="0" role="region" aria-labelledby="{label}">\n'
        f"{body}\n</div>{folded if details else ''}\n</div>"
    )


def _with_interval(row, decimals: int) -> str:
    if getattr(row, "too_few", False):
        return f"too few ({row.positives:,} positive)"
    estimate = _number(row.estimate, decimals)
    if pd.isna(row.estimate) or pd.isna(row.low):
        return estimate
    # A no-break space keeps the limits together when the cell wraps.
    low, high = _number(row.low, decimals), _number(row.high, decimals)
    return f"{estimate} [{low},\N{NO-BREAK SPACE}{high}]"


def _has_named_index(table: pd.DataFrame) -> bool:
    return all(name is not None for name in table.index.names)


def _formatted(
    table: pd.DataFrame, decimals: int | dict[str, int], digits: dict[str, int] | None = None
) -> pd.DataFrame:
    shown, digits = table.copy(), digits or {}
    for column in shown.select_dtypes("floating"):
        places = decimals if isinstance(decimals, int) else decimals.get(column, 3)
        values = shown[column]
        if column in digits:
            shown[column] = [_rounded(value, digits[column]) for value in values]
        else:
            # Counts become floating-point numbers where one of them is missing.
            places = 0 if _are_counts(values) else places
            shown[column] = [_number(value, places) for value in values]
    for column in shown.select_dtypes("bool"):
        shown[column] = shown[column].map({True: "yes", False: "no"})
    shown = shown.astype(object)
    return shown.where(shown.notna(), "").map(lambda cell: f"{cell:,}" if _is_whole(cell) else cell)


def _is_whole(cell: object) -> bool:
    return isinstance(cell, int | np.integer) and not isinstance(cell, bool)


def _are_counts(values: pd.Series) -> bool:
    known = values.dropna()
    return bool(len(known)) and bool((known % 1 == 0).all() and known.abs().max() >= 2)


def _number(value: float, places: int) -> str:
    """Print a number with commas between thousands, and zero without a sign."""
    if pd.isna(value):
        return UNDEFINED
    places = min(places, 1) if abs(value) >= _LARGE else places
    text = f"{value:,.{places}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def _rounded(value: float, digits: int) -> str:
    """Print a number to some significant digits, without an exponent."""
    if pd.isna(value) or value == 0 or np.isinf(value):
        return _number(value, 0)
    value = float(f"{value:.{digits - 1}e}")
    places = digits - 1 - int(np.floor(np.log10(abs(value))))
    return f"{value:,.{max(places, 0)}f}"
