"""Parts of G2SF: synthetic anomalies, the rows it trains on, the scale network, its losses and scores."""
