"""The stages of the loop and the ground floor that they share."""
