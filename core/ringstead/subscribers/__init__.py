"""Looking after an organization's subscribers, from the partner's console and by its own admins in the portal."""
