"""Every error that clickwise raises on purpose.

    ClickwiseError
    ├── InputError               what the user handed in cannot be used
    │   ├── ImageError           a picture: missing, truncated, too large, not a picture
    │   ├── ClickError           a click: outside the image, NaN, no positive click
    │   ├── MaskError            a mask: wrong size or type
    │   └── OptionError          an option or argument value
    ├── ModelError               a network or its weights
    │   ├── UnknownModelError    no architecture or weights of that name
    │   ├── WeightsMissingError  known weights that are not on this machine
    │   └── CheckpointError      a file that does not hold the weights it should
    ├── DatasetError             a data set: missing, incomplete, a label without meaning
    ├── RecipeError              a training recipe: misspelt key, wrong type
    ├── DownloadError            network, checksum, disk while fetching
    ├── ProjectError             an annotation project: damaged, newer, an action that does not fit
    │   ├── ConflictError        somebody else changed the same thing meanwhile
    │   └── LockedError          an object that is protected from changes
    ├── ServerError              a server of clickwise: not reached, too busy, a wrong token
    ├── OutputError              a result that cannot be written
    └── MissingExtraError        an optional dependency that is not installed

A message says what was got, what was expected and what to do, on one line unless it lists differences.
The command line prints it after ``error:``, on one line in any case, and leaves with exit code 2.
"""


class ClickwiseError(Exception):
    """Base of every error raised on purpose."""


class InputError(ClickwiseError):
    """What the user handed in cannot be used."""


class ImageError(InputError):
    """A picture is missing, truncated, too large or not a picture."""


class ClickError(InputError):
    """A click lies outside the image, is not a number, or no positive click was given."""


class MaskError(InputError):
    """A mask has the wrong size or type."""


class OptionError(InputError):
    """An option or argument has a value without meaning."""


class ModelError(ClickwiseError):
    """A network or its weights cannot be used."""


class UnknownModelError(ModelError):
    """No architecture or weights of that name."""


class WeightsMissingError(ModelError):
    """Known weights that are not on this machine."""


class CheckpointError(ModelError):
    """A file that does not hold the weights it should."""


class DatasetError(ClickwiseError):
    """A data set is missing, incomplete or holds a label without meaning."""


class RecipeError(ClickwiseError):
    """A training recipe has a misspelt key or a value of the wrong type."""


class DownloadError(ClickwiseError):
    """Fetching a file failed."""


class ProjectError(ClickwiseError):
    """An annotation project is damaged or newer than this program, or an action does not fit what is there."""


class ConflictError(ProjectError):
    """Somebody else changed the same thing meanwhile; nothing was stored."""


class LockedError(ProjectError):
    """An object that is protected from changes; nothing was stored."""


class ServerError(ClickwiseError):
    """A server of clickwise cannot be reached, is too busy, or does not let us in."""


class OutputError(ClickwiseError):
    """A result cannot be written."""


class MissingExtraError(ClickwiseError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed; "
            f'install it with: pip install "clickwise[{extra}]"'
        )
