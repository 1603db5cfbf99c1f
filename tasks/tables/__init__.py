"""The tables of a data root: their schemas, and how rows get in and out of them."""
