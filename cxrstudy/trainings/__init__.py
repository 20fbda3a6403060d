"""Trainings of any model: told apart by a key, run once each, kept with what they predict.

=============== ==============================================================================
job             `Job`, what is kept of it, and what it may not disturb
key             a key that changes with code, libraries, configuration and data
many            `train_many`: the missing ones are trained, all are read back
=============== ==============================================================================
"""
