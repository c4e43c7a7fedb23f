"""Schema revisions in two alembic branches: expand (additive) and contract.

Source: RU-6.  ``contract`` never depends on ``expand`` in the files: the order
is the command's business (``escalator-db-manage``).
"""
