# Not a phase: the driver keeps in DVC what jobs have made. It waits for nothing, so a partial tree can
# be recorded; it is a local rule, for DVC locks the whole project.
rule record:
    log:
        f"{LOGS}/record.log",
    params:
        scale=SCALE,
    shell:
        "set -o pipefail; fpc record {params.scale} 2>&1 | tee {log}"
