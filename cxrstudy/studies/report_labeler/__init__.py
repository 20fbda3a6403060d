"""Study 08: the rule labeler against codes that people gave to reports."""
