"""Parts of INP-Former."""
