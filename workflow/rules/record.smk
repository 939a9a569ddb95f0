# Not a phase: the driver records results in DVC. It has no inputs, so a partial tree can be recorded; it is a
# local rule because DVC locks the whole project.
rule record:
    log:
        f"{LOGS}/record.log",
    params:
        scale=SCALE,
    shell:
        "set -o pipefail; fpc record {params.scale} 2>&1 | tee {log}"
