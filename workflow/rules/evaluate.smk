rule evaluate:
    input:
        run_inputs("evaluate"),
    output:
        f"{RESULTS}/{{experiment}}/evaluate/{{method}}/{{seeds}}/manifest.json",
    log:
        f"{LOGS}/{{experiment}}/evaluate/{{method}}/{{seeds}}.log",
    benchmark:
        f"{BENCHMARKS}/{{experiment}}/evaluate/{{method}}/{{seeds}}.tsv"
    group:
        small
    resources:
        runtime=resource("evaluate", "runtime"),
        mem_mb=resource("evaluate", "mem_mb"),
        cpus_per_task=resource("evaluate", "cpus"),
        cpus_per_gpu=resource("evaluate", "cpus"),
        gpu=resource("evaluate", "gpus"),
    params:
        scale=SCALE,
    shell:
        "fpc evaluate {params.scale} --experiment={wildcards.experiment} --method={wildcards.method}"
        " --seeds={wildcards.seeds} > {log} 2>&1"
