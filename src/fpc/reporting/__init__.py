"""Pages for readers: the ledger of claims as text, the self-contained report."""
