rule evaluate:
    input:
        run_inputs("evaluate"),
    # Neither removed before a run nor after its failure: another run of its group may have failed.
    output:
        update("results/{label}/{experiment}/evaluate/{method}/{seeds}/manifest.json"),
    log:
        "results/.logs/{label}/{experiment}/evaluate/{method}/{seeds}.log",
    benchmark:
        "results/.benchmarks/{label}/{experiment}/evaluate/{method}/{seeds}.tsv"
    group:
        shared("evaluate")
    threads: requested("evaluate", "cpus_per_task")
    resources:
        **resources("evaluate"),
    params:
        scale=scale_of_run,
    shell:
        "FPC_PROCESSES={threads} logged {log}"
        " fpc evaluate {params.scale} --experiment={wildcards.experiment} --method={wildcards.method}"
        " --seeds={wildcards.seeds}"
