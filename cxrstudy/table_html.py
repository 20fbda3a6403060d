"""Tables as text and as HTML: numbers in one style, cells escaped, one frame for all of them."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

UNDEFINED = "\N{EN DASH}"
"""What a table shows in place of a number that does not exist."""

# From here on a mean is not known to a thousandth.
_LARGE = 100

# Not after a letter or digit (2025-12, 1-5), not between < and >.
_HYPHEN = re.compile(r"(?<![\w-])-(?=\d)(?![^<>]*>)")

_FRAME = """\
{% if anchor %}
<details class="cxr-block" id="{{ anchor }}" open>
<summary class="cxr-caption" id="{{ anchor }}-caption">{{ caption }}</summary>
{% endif %}
<div class="cxr-scroll" tabindex="0" role="region"
{%- if anchor %} aria-labelledby="{{ anchor }}-caption"{% else %} aria-label="{{ label }}"{% endif %}>
<table class="dataframe cxr-table{{ ' cxr-sortable' if sortable }}">
<thead>
<tr>{% for name in header %}<th scope="col">{{ name }}</th>{% endfor %}</tr>
</thead>
<tbody>
{% for cells in rows %}
<tr{% if ids %} id="{{ ids[loop.index0] }}"{% endif %}>
{%- for cell in cells %}<td{{ cell | width if anchor }}
{%- if sortable %} data-label="{{ header[loop.index0] }}"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
{% if details %}
<details class="cxr-details"><summary>Provenance of this run</summary><p>{{ details }}</p></details>
{% endif %}
{% if anchor %}
</details>
{% endif %}
"""  # noqa: E501


def anchor(name: str) -> str:
    """Return the HTML id under which a page shows a table or figure."""
    return name.replace("_", "-")


def with_true_minus(text: str) -> str:
    r"""Put a minus sign in place of a hyphen before a digit, but not inside tags or words.

    >>> with_true_minus('<td id="a-1">-0.1</td> 2025-12').encode("ascii", "backslashreplace")
    b'<td id="a-1">\\u22120.1</td> 2025-12'
    """
    return _HYPHEN.sub("\N{MINUS SIGN}", text)


def captioned_table(shown: pd.DataFrame, name: str, caption: str, details: str = "") -> str:
    """Lay a table of texts out below its caption; `details` are folded below it."""
    rows = shown.itertuples(index=False, name=None)
    fields = {"anchor": anchor(name), "caption": caption, "details": details}
    return _TEMPLATE.render(header=list(shown), rows=rows, **fields).rstrip()


def labeled_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    label: str,
    ids: Sequence[str],
    sortable: bool = False,
) -> str:
    """Lay rows out as a table whose label only a screen reader says; each row has its id."""
    return _TEMPLATE.render(header=header, rows=rows, label=label, ids=ids, sortable=sortable)


def cells_as_text(
    table: pd.DataFrame, decimals: int | dict[str, int] = 3, digits: dict[str, int] | None = None
) -> pd.DataFrame:
    """Print every cell: `decimals` of all or of some columns, significant `digits` of others."""
    shown, digits = table.copy(), digits or {}
    for column in shown.select_dtypes("floating"):
        places = decimals if isinstance(decimals, int) else decimals.get(column, 3)
        values = shown[column]
        if column in digits:
            shown[column] = [rounded(value, digits[column]) for value in values]
        else:
            # Counts become floating-point numbers where one of them is missing.
            places = 0 if _are_counts(values) else places
            shown[column] = [number(value, places) for value in values]
    for column in shown.select_dtypes("bool"):
        shown[column] = shown[column].map({True: "yes", False: "no"})
    shown = shown.astype(object)
    return shown.where(shown.notna(), "").map(lambda cell: f"{cell:,}" if _is_whole(cell) else cell)


def with_interval(row, decimals: int) -> str:
    """Print an estimate, such as ``0.52 [0.47, 0.58]``, or why there is none."""
    if getattr(row, "too_few", False):
        return f"too few ({row.positives:,} positive)"
    estimate = number(row.estimate, decimals)
    if pd.isna(row.estimate) or pd.isna(row.low):
        return estimate
    # A no-break space keeps the limits together when the cell wraps.
    low, high = number(row.low, decimals), number(row.high, decimals)
    return f"{estimate} [{low},\N{NO-BREAK SPACE}{high}]"


def number(value: float, places: int) -> str:
    """Print a number with commas between thousands, zero without a sign, and infinity as a sign."""
    if pd.isna(value):
        return UNDEFINED
    if np.isinf(value):
        return "\N{INFINITY}" if value > 0 else "-\N{INFINITY}"
    places = min(places, 1) if abs(value) >= _LARGE else places
    text = f"{value:,.{places}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def rounded(value: float, digits: int) -> str:
    """Print a number to some significant digits, without an exponent."""
    if pd.isna(value) or value == 0 or np.isinf(value):
        return number(value, 0)
    value = float(f"{value:.{digits - 1}e}")
    places = digits - 1 - int(np.floor(np.log10(abs(value))))
    return f"{value:,.{max(places, 0)}f}"


def _is_whole(cell: object) -> bool:
    return isinstance(cell, int | np.integer) and not isinstance(cell, bool)


def _are_counts(values: pd.Series) -> bool:
    known = values.dropna()
    return bool(len(known)) and bool((known % 1 == 0).all() and known.abs().max() >= 2)


def _width(cell: object) -> str:
    """Keep short cells on one line and give long ones room."""
    length = len(str(cell))
    if 1 <= length <= 10:
        return Markup(' class="cxr-short"')
    return Markup(' class="cxr-text"') if length >= 37 else ""


_environment = Environment(autoescape=True, trim_blocks=True)
_environment.filters["width"] = _width
_TEMPLATE = _environment.from_string(_FRAME)
