"""Study 05: the same classifier trained for few and for many epochs."""
