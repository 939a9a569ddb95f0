# Read by the shell of every job, as rules/common.smk says; POSIX, because an image may have no bash.

# Jobs run the `fpc` of this environment, by its Python, wherever that lies; PATH could not name a folder with a colon.
# In a container they run the image's, although the checkout with its .venv is mounted there too.
fpc() {
  if [ -n "${FPC_IMAGE:-}" ]; then command fpc "$@"; else "$FPC_PYTHON" -P -m fpc "$@"; fi
}

# Snakemake gives numeric libraries all cores of a job. Runs use them through processes instead (FPC_PROCESSES), and
# their numbers must not depend on how many there are.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1

# logged LOG COMMAND ...: run a command with its output in LOG, and keep its exit code in LOG.code. Where that file is
# missing, the command did not end by itself. The trap lets the shell outlive the signals that the whole job gets (a
# cluster's warning, a closed terminal): fpc saves its run first.
logged() {
  log=$1 code=0
  shift
  trap : INT TERM HUP USR1 USR2 XCPU
  rm -f "$log.code"
  "$@" > "$log" 2>&1 || code=$?
  echo "$code" > "$log.code"
  return "$code"
}
