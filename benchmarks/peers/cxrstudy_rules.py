"""Label reports by the rules of this project: ``python -m benchmarks.peers.cxrstudy_rules``."""

from benchmarks.peers.labeling import command_line, run
from cxrstudy.labeler import label_reports

if __name__ == "__main__":
    run(label_reports, lambda labels: labels.to_dict("records"), command_line().parse_args())
