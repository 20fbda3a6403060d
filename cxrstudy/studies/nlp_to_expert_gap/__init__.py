"""Study 03: models against report labels and against experts."""
