"""What agents read for a preflight: figures of a host (V-6)."""
