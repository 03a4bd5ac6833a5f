"""The version of the API, from which every path and link is made.

Owns the version; the rule for changes of the API is in `docs/decisions.md`, the changes are in
`CHANGELOG.md`.
"""

VERSION = "v1"
PREFIX = f"/{VERSION}"
SLIDES_PATH = f"{PREFIX}/slides"
