"""Export of results and everything they were made from, as a Provenance Run Crate (RO-Crate)."""
