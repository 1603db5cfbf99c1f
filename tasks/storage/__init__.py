"""Storage: files and objects below a data root, and Parquet in them."""
