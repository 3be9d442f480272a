"""The ``harness`` command: one module for each verb."""
