"""Check that docs/settings.md says what the declared settings say."""

from __future__ import annotations

import sys
from pathlib import Path

from ringstead.settings import settings_page

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"


def main() -> int:
    """Compare the page with the table in the code; name the mend when they differ."""
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == settings_page():
        return 0
    print(f"{PAGE} is out of date. Mend: ringstead settings docs > docs/settings.md", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
