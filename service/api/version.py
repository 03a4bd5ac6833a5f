"""The version of the API, stated once: every path and link is made from it.

Owns the version; the rule by which the API changes is in `docs/decisions.md`, the changes are in
`CHANGELOG.md`.
"""

VERSION = "v1"
PREFIX = f"/{VERSION}"
SLIDES_PATH = f"{PREFIX}/slides"
