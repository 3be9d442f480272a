"""What a results folder holds: records, counts, maps, fitted methods, claims and pending plans."""
