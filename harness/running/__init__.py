"""Running cells: a process for each, from start to record."""
