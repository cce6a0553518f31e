"""`python -m benchmarks.serve SERVER FACTORY PARENT`: serve an application with the settings of the environment."""

import sys

from ringstead.db.embedded import database_urls
from ringstead.serving import serve_forever
from ringstead.settings import load_settings
from ringstead.supervisor import die_with_parent


def main() -> int:
    """Serve until a signal comes."""
    server, factory, parent = sys.argv[1:]
    die_with_parent(int(parent))
    settings = load_settings()
    return serve_forever(settings, database_urls(settings), factory, server)


if __name__ == "__main__":
    sys.exit(main())
