rule pretrain:
    input:
        run_inputs("pretrain"),
    output:
        f"{RESULTS}/{{experiment}}/pretrain/{{seeds}}/manifest.json",
    log:
        f"{LOGS}/{{experiment}}/pretrain/{{seeds}}.log",
    benchmark:
        f"{BENCHMARKS}/{{experiment}}/pretrain/{{seeds}}.tsv"
    threads: requested("pretrain", "cpus_per_task")
    resources:
        **resources("pretrain"),
    params:
        scale=SCALE,
    shell:
        "FPC_PROCESSES={threads} logged {log}"
        " fpc pretrain {params.scale} --experiment={wildcards.experiment}"
        " --seeds={wildcards.seeds}"
