"""The rooms of the explorer, in the order of the navigation; one file each, and its line here."""

from __future__ import annotations

from saetext.report.explore.room import Room
from saetext.report.explore.rooms.collect import ROOM as COLLECT
from saetext.report.explore.rooms.compare import ROOM as COMPARE
from saetext.report.explore.rooms.corpora import ROOM as CORPORA
from saetext.report.explore.rooms.features import ROOM as FEATURES
from saetext.report.explore.rooms.map import ROOM as MAP
from saetext.report.explore.rooms.pairs import ROOM as PAIRS
from saetext.report.explore.rooms.read import ROOM as READ
from saetext.report.explore.rooms.turn import ROOM as TURN

ROOMS: tuple[Room, ...] = (CORPORA, READ, FEATURES, COMPARE, MAP, PAIRS, TURN, COLLECT)
