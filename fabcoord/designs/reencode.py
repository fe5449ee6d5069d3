"""A program of its own: reads a picture and writes it anew, smaller and without metadata.

``python -m fabcoord.designs.reencode PICTURE DIRECTORY`` writes ``large``, ``small`` and
``report.json`` into the directory. It runs in the sandbox: what it reads is foreign.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

LARGE_PX, SMALL_PX = 2048, 480
_MOST_PIXELS = 80_000_000


def main(picture: Path, out: Path) -> dict[str, object]:
    """Encode ``picture`` anew; returns the report: ``{format, width, height}`` or ``{error}``."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS
    try:
        with Image.open(picture, formats=("PNG", "JPEG", "WEBP")) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                return {"error": "This picture has too many pixels. Save it again, and smaller."}
            opened.draft("RGB", (LARGE_PX, LARGE_PX))
            turned = ImageOps.exif_transpose(opened)
            has_alpha = turned.has_transparency_data
            plain = turned.convert("RGBA" if has_alpha else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return {"error": "This picture cannot be read. Save it again as PNG or JPEG."}
    format_ = "png" if has_alpha else "jpeg"
    sizes = []
    for name, most in (("large", LARGE_PX), ("small", SMALL_PX)):
        copy = plain.copy()
        copy.thumbnail((most, most), Image.Resampling.LANCZOS)
        # A new image carries nothing but its pixels: no EXIF, no place, no profile, no comment.
        clean = Image.new(copy.mode, copy.size)
        clean.paste(copy)
        options = {"quality": 85, "optimize": True} if format_ == "jpeg" else {"optimize": True}
        clean.save(out / name, format_.upper(), **options)
        sizes.append(copy.size)
    return {"format": format_, "width": sizes[0][0], "height": sizes[0][1]}


if __name__ == "__main__":
    said = main(Path(sys.argv[1]), Path(sys.argv[2]))
    (Path(sys.argv[2]) / "report.json").write_text(json.dumps(said))
