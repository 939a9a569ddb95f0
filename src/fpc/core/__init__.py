"""Files, checkpoints, processes, statistics, seeds, errors: the foundation of everything else."""
