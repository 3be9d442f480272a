"""The answer of ``harness compare``: which method is best in a setting, by how much, and at what cost."""
