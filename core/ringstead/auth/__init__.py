"""Signing in: passwords, sessions, permissions, forgery protection, throttling, security headers."""
