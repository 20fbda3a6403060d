"""Trainings of any model: told apart by a key, run once each, kept with what they predict."""
