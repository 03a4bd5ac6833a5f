"""How the results database came to be, step by step (Alembic)."""
