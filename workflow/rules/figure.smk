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
        csv=f"{RESULTS}/figures/{{figure}}.csv",
        manifest=f"{RESULTS}/figures/{{figure}}.manifest.json",
    log:
        f"{LOGS}/figure/{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/figure/{{figure}}.tsv"
    params:
        scale=SCALE,
    shell:
        "fpc figure {params.scale} --name={wildcards.figure} > {log} 2>&1"
