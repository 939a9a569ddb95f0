"""What runs when: the configuration, the run table, runs and their state, phases, Snakemake and DVC."""
