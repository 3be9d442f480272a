"""Readers of organised clouds: a point for each pixel of an image, in the formats that cameras write."""
