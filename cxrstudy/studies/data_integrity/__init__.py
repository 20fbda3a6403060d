"""Study 01: what integrity checks find in released label tables, and the evidence for it."""
