"""Part of `make check`: every catalogue holds today's texts, all translated and compiled."""

import sys

from i18n import check

if __name__ == "__main__":
    sys.exit(check())
