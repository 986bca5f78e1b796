"""The classes of a project: names, colours, and the digit key that chooses each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from clickwise.errors import ProjectError
from clickwise.formats.records import Colour

DIGIT_KEYS = "1234567890"
"""Keys in the order in which new classes get them."""
PALETTE: tuple[Colour, ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (213, 94, 0),
    (86, 180, 233),
    (240, 228, 66),
    (148, 103, 189),
    (140, 86, 75),
    (23, 190, 207),
    (188, 189, 34),
    (227, 26, 28),
)
"""The first seven are those of Okabe and Ito, which people with the common colour deficiencies tell apart
(Color Universal Design, 2008); later classes start again, darker."""
_DARKER, _SHADES = 0.6, 3
_MOST_LETTERS = 200


@dataclass(frozen=True, slots=True)
class LabelClass:
    """A class of objects.

    class_id: 1, 2, ...; never given twice in a project.
    key: digit that chooses it, "" for none.
    retired: not offered any more; objects in the history may still have it.
    """

    class_id: int
    name: str
    colour: Colour
    key: str = ""
    retired: bool = False

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > _MOST_LETTERS or any(ord(letter) < 32 for letter in self.name):
            raise ProjectError(f"class name {self.name!r} cannot be used; expected 1 to {_MOST_LETTERS} letters")
        if len(self.colour) != 3 or not all(isinstance(v, int) and 0 <= v <= 255 for v in self.colour):
            raise ProjectError(f"colour {self.colour} of class {self.name!r} is none; expected R, G, B from 0 to 255")
        if self.key and self.key not in DIGIT_KEYS:
            raise ProjectError(f"key {self.key!r} of class {self.name!r} is no digit; expected one of {DIGIT_KEYS}")


class ClassList(Sequence[LabelClass]):
    """Classes in the order they are shown. Every change returns a new list.

    >>> classes = ClassList().add("cup").add("spoon")
    >>> classes.of_key("2").name, classes.named("cup").class_id
    ('spoon', 1)
    """

    __slots__ = ("_classes",)

    def __init__(self, classes: Sequence[LabelClass] = ()) -> None:
        self._classes = tuple(classes)
        _need_distinct("number", [item.class_id for item in self._classes])
        _need_distinct("name", [item.name for item in self.offered])
        _need_distinct("key", [item.key for item in self.offered if item.key])

    def add(self, name: str, colour: Colour | None = None, key: str | None = None) -> ClassList:
        """With one more class; colour and key left out: the next of the palette, the first free digit."""
        number = 1 + max((item.class_id for item in self._classes), default=0)
        free = self.free_key() if key is None else key
        return ClassList((*self._classes, LabelClass(number, name.strip(), colour or palette_colour(number), free)))

    def change(self, changed: LabelClass) -> ClassList:
        """With this class in place of the one of the same number; a key that another class had moves over."""
        self.get(changed.class_id)
        return ClassList(
            [
                changed
                if item.class_id == changed.class_id
                else (replace(item, key="") if changed.key and item.key == changed.key else item)
                for item in self._classes
            ]
        )

    def retire(self, class_id: int) -> ClassList:
        """Without offering this class any more; its key is free again."""
        if self.get(class_id) == self.first and len(self.offered) == 1:
            raise ProjectError(f"class {self.first.name!r} is the only one; add another before removing it")
        return self.change(replace(self.get(class_id), retired=True, key=""))

    @property
    def offered(self) -> tuple[LabelClass, ...]:
        """Classes that can be chosen."""
        return tuple(item for item in self._classes if not item.retired)

    @property
    def first(self) -> LabelClass:
        """The class of new objects unless the user chose another. ProjectError when there is none."""
        if not self.offered:
            raise ProjectError("the project has no class; add one")
        return self.offered[0]

    def get(self, class_id: int) -> LabelClass:
        """The class of that number, retired ones too. ProjectError when there is none."""
        for item in self._classes:
            if item.class_id == class_id:
                return item
        raise ProjectError(f"class {class_id} is not in the project; it has {[c.class_id for c in self._classes]}")

    def named(self, name: str) -> LabelClass | None:
        """The offered class of that name, or None."""
        return next((item for item in self.offered if item.name == name), None)

    def of_key(self, key: str) -> LabelClass | None:
        """The class that a digit key chooses, or None."""
        return next((item for item in self.offered if item.key == key), None)

    def free_key(self) -> str:
        """The first digit that no class has, "" when all are taken."""
        taken = {item.key for item in self.offered}
        return next((key for key in DIGIT_KEYS if key not in taken), "")

    @overload
    def __getitem__(self, index: int) -> LabelClass: ...
    @overload
    def __getitem__(self, index: slice) -> ClassList: ...
    def __getitem__(self, index: int | slice) -> LabelClass | ClassList:
        return ClassList(self._classes[index]) if isinstance(index, slice) else self._classes[index]

    def __len__(self) -> int:
        return len(self._classes)

    def __iter__(self) -> Iterator[LabelClass]:
        return iter(self._classes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClassList) and self._classes == other._classes

    def __hash__(self) -> int:
        return hash(self._classes)

    def __repr__(self) -> str:
        return f"ClassList({list(self._classes)!r})"


def palette_colour(number: int) -> Colour:
    """Colour of the class with this number, 1, 2, ..."""
    turn, place = divmod(number - 1, len(PALETTE))
    shade = _DARKER ** (turn % _SHADES)
    red, green, blue = (round(value * shade) for value in PALETTE[place])
    return red, green, blue


def _need_distinct(what: str, values: Sequence[object]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ProjectError(f"two classes have the {what} {value!r}; give each its own")
