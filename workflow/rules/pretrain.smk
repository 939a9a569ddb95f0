rule pretrain:
    input:
        run_inputs("pretrain"),
    output:
        f"{RESULTS}/{{experiment}}/pretrain/{{seeds}}/manifest.json",
    log:
        f"{LOGS}/{{experiment}}/pretrain/{{seeds}}.log",
    benchmark:
        f"{BENCHMARKS}/{{experiment}}/pretrain/{{seeds}}.tsv"
    params:
        scale=SCALE,
    shell:
        "fpc pretrain {params.scale} --experiment={wildcards.experiment}"
        " --seeds={wildcards.seeds} > {log} 2>&1"
