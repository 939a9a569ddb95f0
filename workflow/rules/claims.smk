rule claims:
    input:
        closing_inputs("claims"),
    output:
        json=f"{RESULTS}/claims.json",
        markdown=f"{RESULTS}/claims.md",
        metrics=f"{RESULTS}/metrics.json",
        seeds=f"{RESULTS}/claims_seeds.csv",
        manifest=f"{RESULTS}/claims.manifest.json",
    log:
        f"{LOGS}/claims.log",
    benchmark:
        f"{BENCHMARKS}/claims.tsv"
    threads: requested("claims", "cpus_per_task")
    resources:
        **resources("claims"),
    params:
        scale=SCALE,
    shell:
        "FPC_PROCESSES={threads} logged {log}" " fpc claims {params.scale}"
