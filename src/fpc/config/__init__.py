"""Base types of configuration sections; nothing here is specific to a domain, learner or method."""
