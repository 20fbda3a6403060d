"""Byte-identical files under different names."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from cxrstudy.data.integrity.findings import Finding


def find_duplicate_files(paths: Iterable[str | Path]) -> tuple[Finding, ...]:
    """Find files that hold exactly the same bytes.

    Two differently named label files with the same bytes mean that one of the promised label
    sources is absent; comparing them would compare a file with itself.

    Parameters
    ----------
    paths : iterable of path
        Files to compare. The same path given twice counts once.

    Returns
    -------
    tuple of Finding
        One ``"duplicate files"`` finding per set of identical files.

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    """
    by_digest: dict[str, list[Path]] = defaultdict(list)
    for path in sorted({Path(path) for path in paths}):
        by_digest[hashlib.sha256(path.read_bytes()).hexdigest()].append(path)
    return tuple(
        _duplicate_finding(digest, same) for digest, same in by_digest.items() if len(same) > 1
    )


def _duplicate_finding(digest: str, paths: list[Path]) -> Finding:
    names = tuple(f"{path.parent.name}/{path.name}" for path in paths)
    return Finding(
        kind="duplicate files",
        subjects=names,
        severity="error",
        summary=f"{len(names)} files hold the same bytes: {', '.join(p.name for p in paths)}.",
        repair="Use one of them, and treat the sources promised under the other names as absent.",
        evidence={"sha256": digest, "bytes": paths[0].stat().st_size, "files": len(names)},
    )
