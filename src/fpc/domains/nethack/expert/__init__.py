"""A symbolic NetHack player; its games are the expert data at small scales."""

from fpc.domains.nethack.expert.player import Player
from fpc.domains.nethack.expert.playing import GameRecord, play_game, play_games

__all__ = ["GameRecord", "Player", "play_game", "play_games"]
