"""Lineage: manifests record what an artifact is and what it was made from; the audit checks them."""
