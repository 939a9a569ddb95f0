rule evaluate:
    input:
        run_inputs("evaluate"),
    # Neither removed before a run nor after its failure: another run of its group may have failed.
    output:
        update(f"{RESULTS}/{{experiment}}/evaluate/{{method}}/{{seeds}}/manifest.json"),
    log:
        f"{LOGS}/{{experiment}}/evaluate/{{method}}/{{seeds}}.log",
    benchmark:
        f"{BENCHMARKS}/{{experiment}}/evaluate/{{method}}/{{seeds}}.tsv"
    group:
        shared("evaluate")
    threads: requested("evaluate", "cpus_per_task")
    resources:
        **resources("evaluate"),
    params:
        scale=SCALE,
    shell:
        "FPC_PROCESSES={threads} logged {log}"
        " fpc evaluate {params.scale} --experiment={wildcards.experiment} --method={wildcards.method}"
        " --seeds={wildcards.seeds}"
