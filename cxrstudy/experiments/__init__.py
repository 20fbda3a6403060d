"""What several studies share: arms and halves of patients, scores by label source, choices, contrasts."""
