"""One frozen Settings, read once from arguments and `CYTOLIBRA_*` variables, checked at start.

Everything else gets its settings as arguments.
"""
