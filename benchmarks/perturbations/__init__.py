"""Perturbations: the same problem asked in another way, with the reference and the tests changed alike."""
