"""A download that goes on where an earlier one stopped, for files of gigabytes."""

import os
from pathlib import Path

import pooch

_CHUNK_BYTES = 2**16


class ResumingDownloader:
    """A downloader for `pooch` that keeps what arrived when the connection or the process ends.

    Parameters
    ----------
    unfinished : Path
        Where the part that arrived is kept. Whoever fetches removes it afterwards: only then is
        it known whether the whole had the right bytes.
    """

    def __init__(self, unfinished: Path) -> None:
        """Remember where the part is kept."""
        self.unfinished = unfinished

    def __call__(self, url: str, output_file: str, _store: pooch.Pooch) -> None:
        """Ask for the missing end, append it, and hand the whole over.

        Parameters
        ----------
        url : str
        output_file : str
            Existing file that the whole replaces.
        """
        # Imported late, as pooch does.
        import requests

        with self.unfinished.open("ab") as file:

            def drop_what_is_sent_again(response: requests.Response, **_) -> None:
                if response.status_code == requests.codes.ok:
                    file.truncate(0)

            download = pooch.HTTPDownloader(
                progressbar=os.isatty(2),
                chunk_size=_CHUNK_BYTES,
                timeout=60,
                headers={"Range": f"bytes={file.tell()}-", "Accept-Encoding": "identity"},
                hooks={"response": drop_what_is_sent_again},
            )
            try:
                download(url, file, _store)
            except requests.HTTPError as error:
                # Nothing is missing if there is no such range.
                if error.response.status_code != requests.codes.requested_range_not_satisfiable:
                    raise
        Path(output_file).unlink()
        _link_or_move(self.unfinished, output_file)


def _link_or_move(source: Path, target: str) -> None:
    """Give a file a second name, so that a kill while it is verified loses nothing."""
    try:
        os.link(source, target)
    except OSError:
        source.replace(target)
