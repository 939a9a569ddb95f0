"""The paper's figures: a catalogue of pure data, and the code that draws it from tidy tables only."""
