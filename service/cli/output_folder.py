"""Whether a folder can take results, found out before the work, not after it."""

import os
from pathlib import Path


def check_output(output: Path) -> None:
    """Refuses a folder that cannot be made or written to.

    Raises:
        InvalidRequestError: the results have no place there.
    """
    from service.errors import InvalidRequestError

    nearest = next(path for path in (output, *output.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise InvalidRequestError(f"{nearest} is a file: name a folder for the results with -o")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InvalidRequestError(f"{nearest} cannot be written to: name another folder with -o")
