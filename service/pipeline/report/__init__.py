"""From merged detections to the report of a slide: `model` is what it holds, `build` makes it.

`score`, `category`, `adequacy`, `suspicious` and `provenance` each give one part; `stored` reads
reports that were written before, also by earlier versions.
"""
