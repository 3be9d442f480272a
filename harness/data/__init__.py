"""Datasets: readers, cleaning, the embedded toy dataset, download and verification."""
