"""Tests without a process, a broker or a database server of their own."""

import gc

# Thousands of examples, and the trees of all modules, are live and no garbage.
gc.set_threshold(100_000, 50, 50)
