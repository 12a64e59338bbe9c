"""The one client of foreign servers: their errors become ours here and nowhere else."""
