"""Own data: folders that no published dataset has filled."""
