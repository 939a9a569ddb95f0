rule pretrain:
    input:
        run_inputs("pretrain"),
    output:
        "results/{label}/{experiment}/pretrain/{seeds}/manifest.json",
    log:
        "results/.logs/{label}/{experiment}/pretrain/{seeds}.log",
    benchmark:
        "results/.benchmarks/{label}/{experiment}/pretrain/{seeds}.tsv"
    threads: requested("pretrain", "cpus_per_task")
    resources:
        **resources("pretrain"),
    params:
        scale=scale_of_run,
    shell:
        "FPC_PROCESSES={threads} logged {log}"
        " fpc pretrain {params.scale} --experiment={wildcards.experiment}"
        " --seeds={wildcards.seeds}"
