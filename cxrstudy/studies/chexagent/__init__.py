"""Study 11: a small CheXagent in four stages, its questions, and a test that guessing fails."""
