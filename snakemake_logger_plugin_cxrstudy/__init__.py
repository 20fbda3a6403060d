"""Snakemake's door to the progress of a build; Snakemake finds it by the name of this folder."""

from dataclasses import dataclass, field
from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

from cxrstudy.runs.progress import BuildProgress


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Becomes the option ``--logger-cxrstudy-set-name``."""

    set_name: str = field(default="quick", metadata={"help": "Parameter set of the runs."})


class LogHandler(LogHandlerBase):
    """Tell `BuildProgress` which jobs begin and end."""

    # Snakemake's own lines go on to stderr, which the build keeps as a log.
    writes_to_stream = False
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """Make the display, which shows nothing before a plan."""
        self._progress = BuildProgress(self.settings.set_name)
        self._names: dict[int, str] = {}  # study or rule, by Snakemake's number of the job

    def emit(self, record: LogRecord) -> None:
        """Pass on what concerns the display."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self._progress.plan(record.stats.get("run", 0))
        elif event == LogEvent.JOB_INFO:
            self._names[record.jobid] = record.wildcards.get("study", record.rule_name)
            self._progress.begin(self._names[record.jobid])
        elif event == LogEvent.JOB_FINISHED:
            self._progress.end(self._names[record.job_id])
        elif event == LogEvent.JOB_ERROR:
            self._progress.fail(self._names[record.jobid])

    def close(self) -> None:
        """Take the living lines away."""
        self._progress.close()
        super().close()
