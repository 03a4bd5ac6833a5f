"""One file a step; `down_revision` gives the order."""
