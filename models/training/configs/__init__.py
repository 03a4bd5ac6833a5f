"""One flat, complete training configuration per detector, in TOML: read as data, never run."""
