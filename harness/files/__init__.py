"""Files on disk: atomic writes, locks, arrays, CSV, digests, and the cache of arrays."""
