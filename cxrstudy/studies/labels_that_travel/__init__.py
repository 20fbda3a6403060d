"""Study 15: heads on report labels and on labels of experts, judged at other hospitals."""
