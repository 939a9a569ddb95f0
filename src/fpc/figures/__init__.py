"""The paper's figures: a catalogue of pure data, and code that draws it from tidy tables alone."""
