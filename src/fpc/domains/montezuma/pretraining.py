"""pretrain: find a trajectory to the room, then train pi* there (state coverage gap).

Each stage saves its result in the run's folder; a resumed run continues with the first unfinished stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from fpc.core.device import Device, device_name
from fpc.core.files import read_table, read_tensors, write_table, write_tensors
from fpc.core.metric_log import MetricLog
from fpc.core.torch_settings import configure_torch
from fpc.domains.finetuning import POLICY, TRAINING, run_fields
from fpc.domains.interface import Run, UnacceptablePolicy
from fpc.domains.montezuma.archive import explore
from fpc.domains.montezuma.cloning import clone
from fpc.domains.montezuma.config import MontezumaExperiment, PretrainOptions
from fpc.domains.montezuma.derived_tables import draw_rooms
from fpc.domains.montezuma.expert_agent import play_expert
from fpc.domains.montezuma.factories import measured_starts, specification_of, starts_in
from fpc.domains.montezuma.network import MontezumaNetwork, network_with
from fpc.domains.montezuma.passages import choose_start_states, demonstrations_of
from fpc.domains.montezuma.rollout import Episode, play
from fpc.domains.montezuma.start_states import write_demonstrations, write_start_states
from fpc.learners.appo import APPO

STARTS, DEMONSTRATIONS = "start_states.json", "demonstrations.json"
EXPLORATION, VISITS, ROOMS = "exploration.parquet", "visits.parquet", "rooms.png"
FIRST_VISITS = "first_visits.parquet"
TRAINED = "trained.parquet"  # in the run's state
SUCCESS, RANDOM_SUCCESS, GAIN = "probe_success", "probe_random_success", "probe_gain_over_random"
_PROBE = 7301  # distinguishes the probe's episodes from others with the same seed


def pretrain(experiment: MontezumaExperiment, run: Run) -> None:
    """Train pi* and write it with the expert's results.

    Files: the expert's ``start_states.json`` and ``demonstrations.json``; ``exploration.parquet``,
    ``visits.parquet``, ``first_visits.parquet`` and ``rooms.png`` of its search; ``policy.safetensors``;
    ``training.parquet`` with success in the room of pi* (``probe_success``), of a random policy
    (``probe_random_success``) and their difference (``probe_gain_over_random``).

    Raises:
        ConfigError: the expert never reached the room.
        UnacceptablePolicy: pi* knows the room little better than a random policy.
    """
    configure_torch()
    if not (run.output / STARTS).exists():
        _find_room(experiment, run)
    starts_in(run.output / STARTS, experiment.environment.room)
    table = _cloned(experiment, run) if experiment.pretrain.recipe == "clone" else _trained(experiment, run)
    probe, log = _probe(experiment, run), MetricLog()
    log.add(experiment.pretrain.steps, **probe)
    write_table(run.output / TRAINING, pd.concat([table, log.table(run.seed)]))
    check_gain(experiment.pretrain, probe)


def check_gain(options: PretrainOptions, probe: Mapping[str, float]) -> None:
    """Reject a pi* that knows too little to forget; ``probe``: the metrics that ``pretrain`` lists.

    Raises:
        UnacceptablePolicy: its success is less than ``least_gain_over_random`` above a random policy's.
    """
    least, gain = options.least_gain_over_random, probe[GAIN]
    if least is not None and gain < least:
        raise UnacceptablePolicy(
            f"pi* succeeds in {probe[SUCCESS]:.2f} of {options.probe_episodes} attempts in the room, a "
            f"random policy in {probe[RANDOM_SUCCESS]:.2f}: {gain:.2f} more, which is below "
            f"pretrain.least_gain_over_random, {least:g}. Raise pretrain.steps (recipe clone: "
            "pretrain.clone.updates), set pretrain.task: room, or lower the bound knowingly (null: not asked)"
        )


def _find_room(experiment: MontezumaExperiment, run: Run) -> None:
    """Run the expert and write its results, the start states last."""
    options = experiment.pretrain.expert
    if options.recipe == "go_explore":
        assert options.go_explore is not None  # guaranteed by the configuration
        total = options.go_explore.steps
        found = explore(
            options.go_explore,
            run.seed,
            run.state / "archive",
            report=lambda step: run.report(step, total + experiment.pretrain.steps),
        )
    else:
        found = play_expert(experiment, run)
    write_table(run.output / EXPLORATION, found.progress)
    write_table(run.output / VISITS, found.visits)
    draw_rooms(found.visits, run.output / ROOMS)
    write_table(run.output / FIRST_VISITS, found.first_visits)
    replays = found.replays(experiment.environment.goal)
    write_demonstrations(run.output / DEMONSTRATIONS, demonstrations_of(replays, options.demonstrations))
    known = [passage for item in replays for passage in item.passages]
    write_start_states(run.output / STARTS, choose_start_states(known, options.start_states))


def _trained(experiment: MontezumaExperiment, run: Run) -> pd.DataFrame:
    """Train pi* with APPO and RND on games that start in the room."""
    table, options = run.state / TRAINED, experiment.pretrain
    if table.exists() and (run.output / POLICY).exists():
        return read_table(table)
    specification = specification_of(
        experiment,
        options.appo,
        options.rnd,
        steps=options.steps,
        task=options.task,
        starts=run.output / STARTS,
        **run_fields(run, run.state / "training"),
    )
    trained = APPO().train(specification)
    write_tensors(run.output / POLICY, trained.policy)
    write_table(table, trained.table)
    return trained.table


def _cloned(experiment: MontezumaExperiment, run: Run) -> pd.DataFrame:
    """Clone the expert's actions from the room on."""
    table, options = run.state / TRAINED, experiment.pretrain.clone
    if table.exists() and (run.output / POLICY).exists():
        return read_table(table)
    assert options is not None  # guaranteed by the configuration
    demonstrations = run.output / DEMONSTRATIONS
    network, log = clone(experiment, options, demonstrations, run.seed, run.report, run.device)
    run.note_device(device_name(network.device))
    write_tensors(run.output / POLICY, network.state_dict())
    found = log.table(run.seed)
    write_table(table, found)
    return found


def _probe(experiment: MontezumaExperiment, run: Run) -> dict[str, float]:
    """Measure success in the room of pi* and of a random policy."""
    environment, count = experiment.environment, experiment.pretrain.probe_episodes
    starts = measured_starts(run.output / STARTS, environment)
    network = policy_of(experiment, run.output, run.device)
    episodes = [
        Episode((run.seed, _PROBE, number), starts[number % len(starts)], "room") for number in range(count)
    ]
    rates = []
    for policy in (network, None):
        records = play(policy, environment, episodes)
        rates.append(sum(bool(record.success) for record in records) / count)
    success, random = rates
    return {SUCCESS: success, RANDOM_SUCCESS: random, GAIN: success - random}


def policy_of(experiment: MontezumaExperiment, folder: Path, device: Device) -> MontezumaNetwork:
    """Load pi* from a published folder, for evaluation."""
    return network_with(experiment.network, experiment.environment, read_tensors(folder / POLICY), device)
