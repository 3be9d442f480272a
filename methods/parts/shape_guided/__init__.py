"""Parts of Shape-Guided alone: patches, the local signed distance field, its training, cells and scores."""
