"""What a user can do to the objects of a picture. Each action is a value; performing it is a pure function.

Actions carry results, not recipes: a click brings the mask that the network answered, so that no history ever needs a
network again. Locked objects are refused; unlock them first.
"""

from clickwise.annotate.actions.drawing import AddClick, AddObject, AddStroke, CutOthers, Merge, SetMask
from clickwise.annotate.actions.properties import Delete, Hide, Lock, Move, Recolour, Rename, SetClass
from clickwise.annotate.actions.whole import Finish, Together
from clickwise.annotate.easel import Action

__all__ = [
    "Action",
    "AddClick",
    "AddObject",
    "AddStroke",
    "CutOthers",
    "Delete",
    "Finish",
    "Hide",
    "Lock",
    "Merge",
    "Move",
    "Recolour",
    "Rename",
    "SetClass",
    "SetMask",
    "Together",
]
