"""Slides composed from labelled fields, on which the slide score is fitted and judged.

In the order of the work: `detected_fields` runs the detector over the fields, `pieces` cuts them,
`compose` makes slides of the pieces; `fit`, `margins` and `judge` are about the score, and
`cross_fit` calls them so that nothing is judged on what it was fitted on. `write` makes real slides
of the same pieces and `check` holds the pipeline's own counts against theirs.
"""
