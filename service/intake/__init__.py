"""Intake of slides: checks a received file and its fields, and recognises or queues the slide.

Independent of HTTP: callers pass a file and the fields that the request states.
"""
