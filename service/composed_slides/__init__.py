"""Slides composed from labelled fields, on which the slide score is fitted and judged.

In the order of the work: `looks` runs the detector over the fields, `pieces` cuts them, `compose`
makes slides of the pieces, `fit` and `judge` are about the score; `write` makes real slides of the
same pieces and `check` holds the pipeline's own counts against theirs.
"""
