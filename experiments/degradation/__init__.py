"""How prediction degrades with the level of a perturbation: what the noise and distortion experiments share."""
