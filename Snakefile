# The whole reproduction: snakemake --cores 2 [--config scale=laptop [variant=...]] [FILE ...]
from fpc.workflow.failures import failure_text
from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/slurm.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/figure.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/record.smk"


report: "workflow/report/workflow.rst"


localrules:
    all,
    tables,
    figures,
    record,


rule all:
    default_target: True
    input:
        adapter.files(TABLE),


rule tables:
    input:
        adapter.files(tables_of(config.get("experiment"))),


rule figures:
    input:
        adapter.files(row for row in TABLE if row.phase == "figure"),


# Not called in a dry run, which needs no data; jobs check their own inputs again.
onstart:
    needed = list(workflow.dag.needrun_jobs())
    check_inputs(needed)
    start_slurm(needed)


onsuccess:
    print(adapter.closing_message(CONFIGURATION))


onerror:
    print(failure_text(CONFIGURATION, STARTED))
