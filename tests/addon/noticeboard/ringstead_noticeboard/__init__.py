"""A notice board for everybody in an organization."""
