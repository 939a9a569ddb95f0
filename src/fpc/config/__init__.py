"""Section types that everything configurable is built from; no domain, learner or method by name."""
