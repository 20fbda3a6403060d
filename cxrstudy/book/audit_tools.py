"""The recorded table of planted defects and tools, for the page on own tables."""

from cxrstudy.recorded import load_recorded, provenance_in_full, provenance_in_words
from cxrstudy.table_html import captioned_table

_SAYS = {"yes": "", "partly": "; hints at it", "no": "; has no check for it"}

_TEXT = """\
## Planted defects, and other tools

Three good tools make reports or findings from tables: [cleanlab](https://docs.cleanlab.ai/)
(labels that a model doubts), [deepchecks](https://docs.deepchecks.com/) and
[Evidently](https://docs.evidentlyai.com/) (data sets that differ). They serve other purposes and
know nothing of reports, codes and ids, so a kind that none of their checks speaks of is said to be
beyond them rather than missed. Each was set up as a careful user would, from its documentation, on
the same tables, and judged against the same tables without the defect. The defects are of our own
making and of the kinds that the audit was written for: the table shows what can be said, not how
often such errors occur.

"""


def audit_tools_markdown() -> str:
    """Lay out how many planted defects each tool names, and what it can express."""
    recorded = load_recorded("audit_tools")
    if recorded is None:
        return ""
    kinds = recorded[recorded["kind"] != "none"].fillna("")
    clean = recorded[recorded["kind"] == "none"].set_index("tool")
    cells = [
        f"{row.named} of {row.planted}{_SAYS.get(row.expresses, '')}" for row in kinds.itertuples()
    ]
    wide = kinds.assign(cell=cells, kind=kinds["kind"].str.replace("_", " "))
    order = list(dict.fromkeys(wide["kind"])), list(dict.fromkeys(wide["tool"]))
    wide = wide.pivot(index="kind", columns="tool", values="cell").loc[order[0], order[1]]
    wide.loc["clean tables with any alarm"] = [
        f"{clean['alerted'][tool]:.0f} of {clean['planted'][tool]:.0f}" for tool in order[1]
    ]
    caption = (
        "Planted defects that a tool names by kind, table and column, and does not name in the "
        f"same tables without them. {provenance_in_words(recorded)}"
    )
    notes = kinds.loc[kinds["note"] != "", ["kind", "tool", "note"]]
    tables = [
        captioned_table(
            wide.reset_index(), "planted_defects", caption, provenance_in_full(recorded)
        ),
        captioned_table(
            notes.assign(kind=notes["kind"].str.replace("_", " ")),
            "planted_defects_checks",
            "By which checks, or why not. Those of the audit are named above.",
        ).replace('" open>', '">', 1),
    ]
    return _TEXT + "\n\n".join(tables) + "\n"
