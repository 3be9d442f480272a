"""Cells on the machines of a Slurm cluster: settings, batch scripts, submitted jobs, and what has become of them."""
