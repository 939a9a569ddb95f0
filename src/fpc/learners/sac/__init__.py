"""Soft Actor-Critic with a head a stage, retention methods and exact resumes."""

from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.replay_buffer import ReplayBuffer
from fpc.learners.sac.train import Trained, train
from fpc.learners.sac.update import Updater

__all__ = ["Actor", "Critics", "ReplayBuffer", "Trained", "Updater", "train"]
