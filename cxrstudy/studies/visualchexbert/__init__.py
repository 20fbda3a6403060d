"""Study 10: what an image model's supervision of report labels is worth, in label space."""
