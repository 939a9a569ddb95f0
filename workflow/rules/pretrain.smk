rule pretrain:
    input:
        run_inputs("pretrain"),
    output:
        f"{RESULTS}/{{experiment}}/pretrain/{{seeds}}/manifest.json",
    log:
        f"{LOGS}/{{experiment}}/pretrain/{{seeds}}.log",
    benchmark:
        f"{BENCHMARKS}/{{experiment}}/pretrain/{{seeds}}.tsv"
    resources:
        runtime=resource("pretrain", "runtime"),
        mem_mb=resource("pretrain", "mem_mb"),
        cpus_per_task=resource("pretrain", "cpus"),
        cpus_per_gpu=resource("pretrain", "cpus"),
        gpu=resource("pretrain", "gpus"),
    params:
        scale=SCALE,
    shell:
        "fpc pretrain {params.scale} --experiment={wildcards.experiment}"
        " --seeds={wildcards.seeds} > {log} 2>&1"
