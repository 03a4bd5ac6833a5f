"""Every way in for a slide ends here: named, stored, checked, recognised or queued.

Knows nothing of HTTP; whoever receives slides hands over a file and what is stated of it.
"""
