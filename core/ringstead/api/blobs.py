"""Object storage for plugins: `org_blobs(session)` is the session's organization's own.

blobs = org_blobs(session)
blobs.put("notes/scan/1", pieces)  # any iterable of bytes; whole or not at all
blobs.info("notes/scan/1")  # size and time, or None
blobs.read("notes/scan/1", start=100, stop=200)  # pieces
blobs.delete("notes/scan/1")
"""

from ringstead.blobs import BlobInfo, BlobMissing, BlobsAway, BlobsFull, OrgBlobs, org_blobs

__all__ = ["BlobInfo", "BlobMissing", "BlobsAway", "BlobsFull", "OrgBlobs", "org_blobs"]
