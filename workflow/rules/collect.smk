rule collect:
    input:
        run_inputs("collect"),
    output:
        f"{RESULTS}/{{experiment}}/collect/{{seeds}}/manifest.json",
    log:
        f"{LOGS}/{{experiment}}/collect/{{seeds}}.log",
    benchmark:
        f"{BENCHMARKS}/{{experiment}}/collect/{{seeds}}.tsv"
    resources:
        runtime=resource("collect", "runtime"),
        mem_mb=resource("collect", "mem_mb"),
        cpus_per_task=resource("collect", "cpus"),
        cpus_per_gpu=resource("collect", "cpus"),
        gpu=resource("collect", "gpus"),
    params:
        scale=SCALE,
    shell:
        "fpc collect {params.scale} --experiment={wildcards.experiment}"
        " --seeds={wildcards.seeds} > {log} 2>&1"
