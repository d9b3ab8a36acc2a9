"""Scores, climatology, spread, calibration: what a prediction is worth."""
