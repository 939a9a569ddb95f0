"""Files, checkpoints, processes, statistics, seeds, errors: what everything else stands on."""
