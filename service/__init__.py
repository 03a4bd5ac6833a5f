"""Runs the product: slides in, reports out.

Imports point one way: api, cli -> jobs -> storage -> pipeline -> models.
"""
