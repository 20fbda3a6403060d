"""Audit label tables with the checks of this project: errors and warnings, no notes."""

from audit_cases import Case, run

from cxrstudy.audit import check_all, read_tables


def audit(case: Case) -> None:
    """Run every check."""
    paths = [case.folder / f"{name}.csv" for name in ("truth", "labels", "groups")]
    for finding in check_all(read_tables(*paths[:2], groups=paths[2])):
        if finding.severity != "note":
            rows = range(finding.rows[0], finding.rows[1] + 1)
            case.flag(finding.kind, finding.kind, finding.columns, rows, finding.table)


if __name__ == "__main__":
    run(audit)
