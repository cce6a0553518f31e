"""The call-log page as a Django project would make it, on Ringstead's own tables."""
