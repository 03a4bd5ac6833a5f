"""A file per migration; `down_revision` gives the order."""
