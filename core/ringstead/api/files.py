"""Files in and out, for plugins.

In: a route with `uploads=BYTES` takes forms with files, which are in `request.uploads["field"]`. Out:
`blob_response(request, blobs, BlobFile(key=…, size=…, digest=…, media_type=…))` sends a blob, ranges of it too.
"""

from ringstead.web.blob_files import BlobFile, blob_response
from ringstead.web.uploads import Upload

__all__ = ["BlobFile", "Upload", "blob_response"]
