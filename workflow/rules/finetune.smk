rule finetune:
    input:
        run_inputs("finetune"),
    # Neither removed before a run nor after its failure: another run of its group may have failed.
    output:
        update(f"{RESULTS}/{{experiment}}/finetune/{{method}}/{{seeds}}/manifest.json"),
    log:
        f"{LOGS}/{{experiment}}/finetune/{{method}}/{{seeds}}.log",
    benchmark:
        f"{BENCHMARKS}/{{experiment}}/finetune/{{method}}/{{seeds}}.tsv"
    group:
        shared("finetune")
    threads: requested("finetune", "cpus_per_task")
    resources:
        **resources("finetune"),
    params:
        scale=SCALE,
    shell:
        "FPC_PROCESSES={threads} logged {log}"
        " fpc finetune {params.scale} --experiment={wildcards.experiment} --method={wildcards.method}"
        " --seeds={wildcards.seeds}"
