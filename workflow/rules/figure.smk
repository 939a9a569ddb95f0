rule figure:
    input:
        figure_inputs,
    output:
        svg=report(
            f"{RESULTS}/figures/{{figure}}.svg",
            caption="../report/figure.rst",
            category="Figures",
        ),
        png=f"{RESULTS}/figures/{{figure}}.png",
        # Not removed before the job: where weights are absent, a film's attempts are taken from it.
        csv=update(f"{RESULTS}/figures/{{figure}}.csv"),
        manifest=f"{RESULTS}/figures/{{figure}}.manifest.json",
    log:
        f"{LOGS}/figure/{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/figure/{{figure}}.tsv"
    threads: requested("figure", "cpus_per_task")
    resources:
        **resources("figure"),
    params:
        scale=SCALE,
    shell:
        "FPC_PROCESSES={threads} logged {log}"
        " fpc figure {params.scale} --name={wildcards.figure}"
