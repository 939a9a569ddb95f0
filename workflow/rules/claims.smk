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
    params:
        scale=SCALE,
    shell:
        "fpc claims {params.scale} > {log} 2>&1"
