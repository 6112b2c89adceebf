"""Chaos: a real run on a real lab, and something goes wrong with it at a random moment.

``python -m chaos`` is the soak. It imports fixtures and matrix and is imported by nobody but tests.
"""
