rule report:
    input:
        closing_inputs("report"),
    output:
        html=f"{RESULTS}/report.html",
        manifest=f"{RESULTS}/report.manifest.json",
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCHMARKS}/report.tsv"
    params:
        scale=SCALE,
    shell:
        "fpc report {params.scale} > {log} 2>&1"
