"""What the book says of its own release, all of it from CITATION.cff: version, address, DOI."""

from urllib.parse import urlsplit

import yaml

from cxrstudy.paths import in_project


def release() -> dict:
    """Read CITATION.cff; `repository-code` and `doi` are set once there are any."""
    return yaml.safe_load(in_project("CITATION.cff").read_text("utf-8"))


def notebook_links(notebook: str) -> str:
    """Link to a notebook's source and to a launched copy; empty until the address is set."""
    address = release().get("repository-code", "").removesuffix("/")
    if not address:
        return ""
    links = f" [In the repository]({address}/blob/HEAD/notebooks/{notebook})."
    if urlsplit(address).netloc == "github.com":
        # The file postBuild writes the copies, whose Run All ends in minutes.
        launch = address.replace("https://github.com/", "https://mybinder.org/v2/gh/")
        launch += f"/HEAD?urlpath=lab/tree/_build/lab/{notebook}"
        links += f" [Launch a copy in Binder]({launch})."
    return links


def bibtex() -> str:
    """Write the book's BibTeX entry."""
    about = release()
    fields = {
        "title": about["title"],
        "author": "{" + " and ".join(author["name"] for author in about["authors"]) + "}",
        "year": str(about["date-released"])[:4],
        "note": f"Version {about['version']}",
        "doi": about.get("doi"),
        "url": about.get("repository-code"),
    }
    lines = [f"  {name:<6} = {{{value}}}" for name, value in fields.items() if value]
    return "@misc{cxrstudy,\n" + ",\n".join(lines) + "\n}\n"
