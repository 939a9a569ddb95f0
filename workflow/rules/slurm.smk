# What is asked and watched when jobs are Slurm jobs (`--profile slurm`, `--executor slurm`).
from fpc.workflow import slurm_submission
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

REFUSED = set()  # jobs that Slurm will not take, however often they are submitted

# Through the environment, which sbatch reads, and not `default-resources` of the profile, which those of the command
# line replace as a whole.
if workflow.is_main_process:
    os.environ.setdefault(slurm_submission.SIGNAL_VARIABLE, slurm_submission.SIGNAL)


def start_slurm(jobs):
    """Stop before the first job if Slurm would refuse some; later, report every job that it did not take."""
    if (
        type(workflow.scheduler._executor).__module__
        != "snakemake_executor_plugin_slurm"
    ):
        return
    executor = workflow.scheduler._executor
    groups = {workflow.dag.get_job_group(job) or job: None for job in jobs}
    submitted = {}
    for job in groups:
        if not job.is_local:
            submitted.setdefault(options_of(job), job)
    if not submitted:  # the driver does it all, on a machine without Slurm too
        workflow.executor_settings.efficiency_report = False
        return
    try:
        slurm_submission.check_commands()
        slurm_submission.check_paths(sys.executable, workflow.main_snakefile)
        for job in submitted.values():
            slurm_submission.check_signal(
                str(job.resources.get("slurm_extra", "")),
                os.environ[slurm_submission.SIGNAL_VARIABLE],
            )
        waiting = slurm_submission.check_submissions(
            CONFIGURATION, [submission(executor, job) for job in submitted.values()]
        )
    except UserError as error:
        raise WorkflowError(str(error))
    if waiting:
        print(f"note: Slurm may keep jobs waiting.\n{waiting}", file=sys.stderr)
    watch(executor)


def one_run(job):
    """A job itself; of a group, one of its runs."""
    return next(iter(job.jobs)) if job.is_group() else job


def options_of(job):
    """Whatever may make a difference to Slurm; those of Snakemake's own defaults that depend on inputs do not."""
    run = one_run(job)
    options = [
        (name, str(value))
        for name, value in job.resources.items()
        if not name.startswith(("tmpdir", "disk"))
    ]
    return run.rule.name, run.wildcards_dict.get("experiment"), *sorted(options)


def submission(executor, job):
    """The command with which the plugin would submit a job, built by the plugin itself as in its `run_job`."""
    from snakemake_executor_plugin_slurm import set_gres_string, validate_slurm_extra
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command

    run = one_run(job)
    what = {
        "phase": run.rule.name,
        "experiment": run.wildcards_dict.get("experiment"),
        "resources": dict(job.resources.items()),
        "members": len(job.jobs) if job.is_group() else 1,
    }
    try:
        validate_slurm_extra(job)
        params = {
            "run_uuid": executor.run_uuid,
            "slurm_logfile": os.devnull,
            "comment_str": "",
            "account": next(executor.get_account_arg(job)),
            "partition": executor.get_partition_arg(job),
            "workdir": workflow.workdir_init,
        }
        command = get_submit_command(
            job, params, settings=workflow.executor_settings
        ) + set_gres_string(job)
    except (WorkflowError, OSError) as error:
        return slurm_submission.Submission(**what, error=str(error))
    return slurm_submission.Submission(**what, command=command)


def watch(executor):
    """Report a job whose submission failed, and one that Slurm holds for a reason other than its turn.

    The plugin submits in threads and loses their exceptions, so that the driver would wait for ever for a job that
    nobody has submitted. And what Slurm has refused, it would refuse again.
    """
    plugin_submit = executor.run_job
    plugin_report = executor.report_job_error
    plugin_check = executor.check_active_jobs

    def run_job(job):
        try:
            plugin_submit(job)
        except Exception as error:
            executor._report_job_error_threadsafe(
                SubmittedJobInfo(job), f"It was not submitted: {error}\n"
            )

    def report_job_error(info, msg=None, **rest):
        if info.external_jobid is None and slurm_submission.is_final(msg or ""):
            REFUSED.add(info.job)
        plugin_report(info, msg, **rest)

    told = set()

    async def check_active_jobs(active_jobs):
        for why, held in slurm_submission.held_jobs(executor.run_uuid).items():
            if why not in told:
                told.add(why)
                print(
                    f"note: Slurm holds jobs ({', '.join(held)}): {why}; if it is a limit that one such job exceeds, "
                    "it will not start: `scancel` it, and lower its request (`plan.jobs`, `plan.slurm`)",
                    file=sys.stderr,
                )
        async for info in plugin_check(active_jobs):
            yield info

    executor.run_job = run_job
    executor.report_job_error = report_job_error
    executor.check_active_jobs = check_active_jobs
