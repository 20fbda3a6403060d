"""Study 07: what a few expert images are good for."""
