rule collect:
    input:
        run_inputs("collect"),
    output:
        f"{RESULTS}/{{experiment}}/collect/{{seeds}}/manifest.json",
    log:
        f"{LOGS}/{{experiment}}/collect/{{seeds}}.log",
    benchmark:
        f"{BENCHMARKS}/{{experiment}}/collect/{{seeds}}.tsv"
    params:
        scale=SCALE,
    shell:
        "fpc collect {params.scale} --experiment={wildcards.experiment}"
        " --seeds={wildcards.seeds} > {log} 2>&1"
