rule finetune:
    input:
        run_inputs("finetune"),
    # Neither removed before a run nor after its failure: another run of its group may have failed.
    output:
        update("results/{label}/{experiment}/finetune/{method}/{seeds}/manifest.json"),
    log:
        "results/.logs/{label}/{experiment}/finetune/{method}/{seeds}.log",
    benchmark:
        "results/.benchmarks/{label}/{experiment}/finetune/{method}/{seeds}.tsv"
    group:
        shared("finetune")
    threads: requested("finetune", "cpus_per_task")
    resources:
        **resources("finetune"),
    params:
        scale=scale_of_run,
    shell:
        "FPC_PROCESSES={threads} logged {log}"
        " fpc finetune {params.scale} --experiment={wildcards.experiment} --method={wildcards.method}"
        " --seeds={wildcards.seeds}"
