"""Studies: training runs that differ in a few settings, compared over folds and seeds.

`spec.py` reads the study file, `run.py` does a run, `schedule.py` all runs; `tables.py` and
`plots.py` summarise the results.
"""
