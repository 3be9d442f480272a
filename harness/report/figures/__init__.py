"""Figures for papers: views of the records and the published numbers. Their data needs no matplotlib."""
