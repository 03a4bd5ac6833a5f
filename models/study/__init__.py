"""Studies: many training runs that differ in one thing, compared over folds and seeds.

`spec.py` reads what is asked, `run.py` does one run, `schedule.py` all of them, `tables.py` and
`plots.py` show what came out.
"""
