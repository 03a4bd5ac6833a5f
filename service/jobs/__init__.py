"""Durable work on slides: the queue, the workflow of one slide, the worker and its keeper."""
