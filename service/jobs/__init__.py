"""Durable jobs: the queue, the workflow that analyses a slide, the worker and its supervisor."""
