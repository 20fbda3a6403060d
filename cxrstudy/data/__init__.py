"""Data sets: registry, validated label tables, integrity checks, one module per source."""
