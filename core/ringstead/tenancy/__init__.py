"""Partner, organization, subscriber; hosts; the context of a request."""
