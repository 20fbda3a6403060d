"""What several studies share: arms, halves of patients, scores by label source."""
