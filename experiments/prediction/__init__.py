"""Prediction of the response: features, noise, models and their evaluation."""
