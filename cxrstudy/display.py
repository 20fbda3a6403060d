"""Captioned tables and figures of a notebook, each saved as a table beside the page."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import publish_display_data
from markupsafe import Markup, escape
from matplotlib.axes import Axes

from cxrstudy.paths import in_project
from cxrstudy.recorded import PROVENANCE, load_recorded, provenance_in_full, provenance_in_words
from cxrstudy.table_html import UNDEFINED, anchor, captioned_table, cells_as_text, with_interval
from cxrstudy.whole_files import written_whole
from cxrstudy.words import WORDS

METADATA_KEY = "cxrstudy"
"""Key of the output metadata that tells the book what a cell shows."""


@dataclass(frozen=True)
class Page:
    """The page that a notebook makes; every method shows one thing and saves it as CSV.

    Methods share these arguments: ``name`` of the saved file, which is also the anchor that the
    ledger links to; ``caption``, what is shown, on which data, with how many cases; ``words``,
    from keys among the cells and column names of a table to what the page says for them, beside
    those of `cxrstudy.words`, while the file keeps the keys. Every text is escaped.

    Parameters
    ----------
    results : str or Path
        The study's result folder, relative to the project or absolute; made if missing.
    data : str
        Which data, in words, for captions and claims.
    resampling : object, optional
        How the study draws its resamples.
    """

    results: str | Path
    data: str = ""
    resampling: object = None

    def file(self, name: str) -> Path:
        """Return the path of a file beside the page's tables."""
        folder = in_project(self.results)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def table(
        self,
        table: pd.DataFrame,
        name: str,
        caption: str,
        decimals: int | dict[str, int] = 3,
        digits: dict[str, int] | None = None,
        *,
        words: Mapping[str, str] | None = None,
        details: str = "",
        folded: bool = False,
    ) -> None:
        """Show a table.

        Parameters
        ----------
        decimals : int or dict of str to int
            Decimals of floating-point columns, for all or by column. Numbers from 100 on show at
            most one.
        digits : dict of str to int, optional
            Columns to round to so many significant digits instead.
        details : str
            What stands folded below the table.
        folded : bool
            Whether the book shows its caption and opens it on demand, however short it is.
        """
        save_table(table, name, self.results)
        shown = table.reset_index() if _has_named_index(table) else table
        shown = cells_as_text(in_words(shown, words), decimals, digits)
        _publish_table(shown.rename(columns=_all(words)), name, caption, details, folded=folded)

    def estimates(
        self,
        table: pd.DataFrame,
        name: str,
        caption: str,
        *,
        rows: str | list[str],
        columns: str | list[str],
        decimals: int = 3,
        brackets: str = "95 % interval",
        words: Mapping[str, str] | None = None,
        details: str = "",
    ) -> None:
        """Show estimates with their intervals side by side; the file is tidy.

        Parameters
        ----------
        table : DataFrame
            Tidy: columns ``estimate``, ``low``, ``high`` and those named below; other columns
            are saved and not shown. Where a column ``too_few`` is true, the cell shows the
            number of positives instead.
        rows, columns : str or list of str
            What to lay out downwards and sideways, in order of first appearance.
        brackets : str
            What ``low`` and ``high`` are.
        """
        save_table(table, name, self.results)
        wide = _side_by_side(in_words(table, words), rows, columns, decimals)
        wide = wide.rename(columns=_all(words))
        _publish_table(wide, name, f"{caption} Brackets: {brackets}.", details)

    def quotes(self, table: pd.DataFrame, name: str, caption: str) -> None:
        """Show short quotes with the evidence in them highlighted; the file is plain text.

        The columns ``before``, ``evidence`` and ``after`` become the one column ``quote`` in
        place of the first of them.
        """
        texts = table.astype("str")
        parts = list(texts[["before", "evidence", "after"]].itertuples(index=False, name=None))
        quote = Markup("{} <mark>{}</mark> {}")
        plain = texts.rename(columns={"before": "quote"}).drop(columns=["evidence", "after"])
        plain = plain.assign(quote=pd.Series(map(" ".join, parts), plain.index, dtype=object))
        marked = pd.Series([quote.format(*part) for part in parts], plain.index, dtype=object)
        save_table(plain, name, self.results)
        _publish_table(plain.assign(quote=marked), name, caption, text=plain)

    def figure(self, axes: Axes, data: pd.DataFrame, name: str, caption: str, alt: str) -> None:
        """Show a figure, save the table that it draws, and close it.

        Parameters
        ----------
        alt : str
            What a reader who does not see the figure should know.
        """
        save_table(data, name, self.results)
        image = io.StringIO()
        figure = axes.get_figure()
        figure.savefig(image, format="svg", metadata={"Date": None})
        plt.close(figure)
        shown = {"kind": "figure", "name": name, "caption": caption, "alt": alt}
        publish_display_data(
            {"image/svg+xml": image.getvalue(), "text/plain": alt}, metadata={METADATA_KEY: shown}
        )
        publish_display_data(
            {"text/markdown": f"*{caption}*", "text/plain": caption},
            metadata={METADATA_KEY: {"kind": "caption", "name": name}},
        )

    def answer(self, sentence: str, *, figure: str, means: str, changes: str) -> None:
        """Answer the page's question; the book shows it first, with one figure and the verdicts.

        Parameters
        ----------
        sentence : str
            The answer. Its numbers come from the tables of the page, none is typed.
        figure : str
            Name of the figure or table of the page that shows it.
        means : str
            What it means for somebody who trains, buys or audits models.
        changes : str
            What would change the answer.
        """
        shown = {"sentence": sentence, "figure": figure, "means": means, "changes": changes}
        rows = (sentence, f"What it means: {means}", f"What would change it: {changes}")
        body = Markup("").join(Markup("<p>{}</p>").format(row) for row in rows)
        publish_display_data(
            {"text/html": body, "text/plain": "\n".join(rows)},
            metadata={METADATA_KEY: {"kind": "answer", "name": "answer", **shown}},
        )

    def finding(self, sentence: str) -> None:
        """Say what a section found; the book puts it in place of the section's heading.

        It stands in the cell of the exhibit that shows it, and is made from the same table.
        """
        sentence = sentence[:1].upper() + sentence[1:]
        body = Markup("<p><strong>{}</strong></p>").format(sentence)
        publish_display_data(
            {"text/html": body, "text/plain": sentence},
            metadata={METADATA_KEY: {"kind": "finding", "sentence": sentence}},
        )

    def note(self, name: str, text: str) -> None:
        """Show a sentence where a table or figure would stand if there were one."""
        body = f'<p class="cxr-caption" id="{anchor(name)}">{escape(text)}</p>'
        _publish("note", name, body, text)

    def recorded(
        self,
        file: str,
        name: str,
        caption: str,
        *,
        nothing: str = "Nothing has been recorded.",
        select: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
        words: Mapping[str, str] | None = None,
        **layout,
    ) -> None:
        """Show a recorded table, such as that of a benchmark, with its provenance.

        Parameters
        ----------
        file : str
            Name of the table in ``book/recorded/``.
        nothing : str
            What to say in place of the table if it was not recorded.
        select : callable, optional
            From the recorded table to the part that is shown; all of it unless given.
        **layout
            As for `estimates`; without it the rows are shown as recorded.
        """
        recorded = load_recorded(file)
        if recorded is None:
            self.note(name, nothing)
            return
        recorded = recorded if select is None else select(recorded)
        caption = f"{caption} {provenance_in_words(recorded)}"
        show = self.estimates if layout else self.table
        layout = layout or {"decimals": 2}
        table = recorded.drop(columns=list(PROVENANCE))
        show(table, name, caption, words=words, details=provenance_in_full(recorded), **layout)


def save_table(table: pd.DataFrame, name: str, results: str | Path) -> Path:
    """Write an aggregate table as CSV, with its index if that has a name."""
    folder = in_project(results)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    index = _has_named_index(table)
    with written_whole(path) as unfinished:
        table.to_csv(unfinished, index=index, float_format="%.6g", lineterminator="\n")
    return path


def in_words(table: pd.DataFrame, words: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Put words in place of the keys in a table's cells; a cell that is no key stays."""
    texts, words = table.select_dtypes(["object", "string"]), _all(words)
    return table.assign(**texts.map(lambda cell: words.get(cell, cell)))


def _all(words: Mapping[str, str] | None) -> dict[str, str]:
    return {**WORDS, **(words or {})}


def _side_by_side(
    table: pd.DataFrame, rows: str | list[str], columns: str | list[str], decimals: int
) -> pd.DataFrame:
    """Lay tidy estimates out, rows and columns in order of first appearance."""
    rows, columns = ([key] if isinstance(key, str) else list(key) for key in (rows, columns))
    cells = [with_interval(row, decimals) for row in table.itertuples()]
    downwards, sideways = (
        list(dict.fromkeys(map(tuple, table[key].to_numpy()))) for key in (rows, columns)
    )
    wide = (
        table[rows + columns].assign(cell=cells).pivot(index=rows, columns=columns, values="cell")
    )
    wide = wide.loc[
        downwards if len(rows) > 1 else [key for (key,) in downwards],
        sideways if len(columns) > 1 else [key for (key,) in sideways],
    ].fillna(UNDEFINED)
    wide.columns = [", ".join(key) for key in sideways]
    return wide.reset_index()


def _has_named_index(table: pd.DataFrame) -> bool:
    return all(name is not None for name in table.index.names)


def _publish_table(
    shown: pd.DataFrame,
    name: str,
    caption: str,
    details: str = "",
    text: pd.DataFrame | None = None,
    folded: bool = False,
) -> None:
    shown = shown.rename(columns=lambda column: str(column).replace("_", " "))
    text = shown if text is None else text
    body = captioned_table(shown, name, caption, details)
    fold = {"folded": True} if folded else {}
    _publish("table", name, body, f"{caption}\n{text.to_string(index=False)}", **fold)


def _publish(kind: str, name: str, body: str, text: str, **shown) -> None:
    publish_display_data(
        {"text/html": body, "text/plain": text},
        metadata={METADATA_KEY: {"kind": kind, "name": name, **shown}},
    )
