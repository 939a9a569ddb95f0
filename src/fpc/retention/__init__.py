"""Knowledge retention methods, one per file; the file name is the method's name."""
