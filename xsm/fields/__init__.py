"""Downscaling: baselines, inputs, training, prediction and scores."""
