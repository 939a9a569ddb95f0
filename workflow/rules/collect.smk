rule collect:
    input:
        run_inputs("collect"),
    output:
        f"{RESULTS}/{{experiment}}/collect/{{seeds}}/manifest.json",
    log:
        f"{LOGS}/{{experiment}}/collect/{{seeds}}.log",
    benchmark:
        f"{BENCHMARKS}/{{experiment}}/collect/{{seeds}}.tsv"
    threads: requested("collect", "cpus_per_task")
    resources:
        **resources("collect"),
    params:
        scale=SCALE,
    shell:
        "FPC_PROCESSES={threads} logged {log}"
        " fpc collect {params.scale} --experiment={wildcards.experiment}"
        " --seeds={wildcards.seeds}"
