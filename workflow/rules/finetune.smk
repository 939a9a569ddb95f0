rule finetune:
    input:
        run_inputs("finetune"),
    output:
        f"{RESULTS}/{{experiment}}/finetune/{{method}}/{{seeds}}/manifest.json",
    log:
        f"{LOGS}/{{experiment}}/finetune/{{method}}/{{seeds}}.log",
    benchmark:
        f"{BENCHMARKS}/{{experiment}}/finetune/{{method}}/{{seeds}}.tsv"
    resources:
        runtime=resource("finetune", "runtime"),
        mem_mb=resource("finetune", "mem_mb"),
        cpus_per_task=resource("finetune", "cpus"),
        cpus_per_gpu=resource("finetune", "cpus"),
        gpu=resource("finetune", "gpus"),
    params:
        scale=SCALE,
    shell:
        "fpc finetune {params.scale} --experiment={wildcards.experiment} --method={wildcards.method}"
        " --seeds={wildcards.seeds} > {log} 2>&1"
