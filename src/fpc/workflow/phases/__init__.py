"""The phases, one module each: resolve the configuration, call the domain, publish the result."""
