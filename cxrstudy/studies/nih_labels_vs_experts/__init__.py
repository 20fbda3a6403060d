"""Study 02c: the NIH's text-mined labels against two groups of experts."""
