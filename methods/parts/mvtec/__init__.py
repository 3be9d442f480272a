"""Parts of the baselines of the MVTec 3D-AD paper: geometry, representations and the models on them."""
