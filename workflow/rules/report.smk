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
    threads: requested("report", "cpus_per_task")
    resources:
        **resources("report"),
    params:
        scale=SCALE,
    shell:
        "FPC_PROCESSES={threads} logged {log}" " fpc report {params.scale}"
