"""Study 02: report labels against image labels, as VisualCheXbert compared them."""
