"""Study 14: what the papers' printed figures say of one another."""
