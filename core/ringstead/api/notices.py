"""What the last action did, for plugins: `request.flash(_("Deleted"), undo=Undo("/notes", (("do", "restore"),)))`."""

from ringstead.web.notices import Undo

__all__ = ["Undo"]
