rule collect:
    input:
        run_inputs("collect"),
    output:
        "results/{label}/{experiment}/collect/{seeds}/manifest.json",
    log:
        "results/.logs/{label}/{experiment}/collect/{seeds}.log",
    benchmark:
        "results/.benchmarks/{label}/{experiment}/collect/{seeds}.tsv"
    threads: requested("collect", "cpus_per_task")
    resources:
        **resources("collect"),
    params:
        scale=scale_of_run,
    shell:
        "FPC_PROCESSES={threads} logged {log}"
        " fpc collect {params.scale} --experiment={wildcards.experiment}"
        " --seeds={wildcards.seeds}"
