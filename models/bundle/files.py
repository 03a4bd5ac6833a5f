"""Names of the files in a detector's bundle, and the hash of a file."""

import hashlib
from pathlib import Path

MODEL_FILE, WEIGHTS_FILE, CARD_FILE = "model.json", "weights.safetensors", "card.md"


def hash_file(path: Path) -> str:
    """64 hex digits: the SHA-256 of a file's content.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
