"""Speed, memory and environment of a cell."""
