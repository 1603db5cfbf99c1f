"""Training: split, fit, hold out, fine-tune."""
