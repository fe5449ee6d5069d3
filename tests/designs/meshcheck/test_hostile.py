"""Files made to break programs: each ends as a refusal or a failed check, soon, in little memory.

The server takes each of them as an upload would bring it: what can be told from the first bytes is
refused in the request; the rest goes through the sandbox of the worker.
"""

from __future__ import annotations

import io
import random
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from fabcoord.designs.formats import validate_first_bytes
from fabcoord.designs.meshcheck.report import CheckReport, Verdict
from fabcoord.errors import UnreadableFile
from fabcoord.work import sandbox
from tests.designs.meshcheck.meshes import MODEL, RELATIONSHIPS, cube, mesh_xml, write_3mf

MEMORY_BYTES = 1_000_000_000
LIMITS = sandbox.Limits(memory_bytes=MEMORY_BYTES, cpu_s=5, wall_s=30.0)
CUBE = f'<object id="1">{mesh_xml(cube())}</object>'
BUILD = '<build><item objectid="1"/></build>'
AMF = '<?xml version="1.0"?>{before}<amf unit="millimeter">{inner}</amf>'
PLY = (
    "ply\nformat {kind} 1.0\nelement vertex {vertices}\nproperty float x\nproperty float y\n"
    "property float z\nelement face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
)

Maker = Callable[[Path], None]


def text(content: str | bytes) -> Maker:
    data = content.encode() if isinstance(content, str) else content
    return lambda path: path.write_bytes(data) and None


def model(objects: str = CUBE, build: str = BUILD, before: str = "") -> Maker:
    return lambda path: write_3mf(path, objects, build, before=before) and None


def packed(*members: tuple[str | zipfile.ZipInfo, bytes]) -> Maker:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("_rels/.rels", RELATIONSHIPS)
            for name, data in members:
                archive.writestr(name, data)

    return make


def flood(block: str, size: int = 149_000_000) -> Maker:
    """A part of just under what is taken, that packs as a model would and never ends."""

    def make(path: Path) -> None:
        data = block.encode()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("_rels/.rels", RELATIONSHIPS)
            with archive.open("3D/3dmodel.model", "w") as part:
                head = MODEL.partition("{objects}")[0]
                part.write(head.format(before="", unit="millimeter", attributes="").encode())
                part.write(b"<object id='1'><mesh><vertices>")
                for _ in range(size // len(data)):
                    part.write(data)

    return make


def whole_model(objects: str = CUBE) -> bytes:
    return MODEL.format(
        unit="millimeter", before="", objects=objects, build=BUILD, attributes=""
    ).encode()


def bomb_of(unit: bytes, times: int) -> Maker:
    """A 3MF whose model is one piece repeated, without it ever being in memory here."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr("_rels/.rels", RELATIONSHIPS)
            with archive.open("3D/3dmodel.model", "w", force_zip64=True) as file:
                for _ in range(times):
                    file.write(unit)

    return make


def overlapping(path: Path) -> None:
    """A zip whose members share one body (as zbsm does): small on disk, endless when unpacked."""
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    plain = random.Random(7).randbytes(200_000)  # packs badly: its ratio tells nothing
    data = body.compress(plain) + body.flush()
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, zlib.crc32(plain), len(data),
                        len(plain), 6, 0) + b"m.mode"  # fmt: skip
    directory = b""
    for n in range(250):
        name = b"%03d.model" % n
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 33, zlib.crc32(plain), len(data),
            len(plain), len(name), 0, 0, 0, 0, 0, 0,
        ) + name  # fmt: skip
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 250, 250, len(directory),
                      len(local) + len(data), 0)  # fmt: skip
    path.write_bytes(local + data + directory + end)


def lying_size(to: int, in_local: bool) -> Maker:
    """A 3MF that unpacks to more (or less) than it says."""

    def make(path: Path) -> None:
        packed(("3D/3dmodel.model", whole_model() + b" " * 3_000_000))(path)
        data = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            at = archive.getinfo("3D/3dmodel.model").header_offset
        directory = data.rindex(b"PK\1\2")
        data[directory + 24 : directory + 28] = struct.pack("<L", to)
        if in_local:
            data[at + 22 : at + 26] = struct.pack("<L", to)
        path.write_bytes(data)

    return make


def symlink(path: Path) -> None:
    link = zipfile.ZipInfo("3D/3dmodel.model")
    link.external_attr = 0o120777 << 16
    packed((link, b"/etc/passwd"))(path)


def doubling(levels: int, fan: int) -> str:
    """Objects that hold the one before ``fan`` times: fan to the power of levels in all."""
    objects = [CUBE]
    for n in range(2, levels + 2):
        inner = f'<component objectid="{n - 1}"/>' * fan
        objects.append(f'<object id="{n}"><components>{inner}</components></object>')
    return "".join(objects)


def constellations(levels: int, fan: int) -> str:
    triangle = "<triangle><v1>0</v1><v2>1</v2><v3>2</v3></triangle>"
    vertex = "<vertex><coordinates><x>0</x><y>0</y><z>0</z></coordinates></vertex>"
    mesh = f"<vertices>{vertex * 3}</vertices><volume>{triangle}</volume>"
    objects = [f'<object id="1"><mesh>{mesh}</mesh></object>']
    for n in range(2, levels + 2):
        inner = f'<instance objectid="{n - 1}"/>' * fan
        objects.append(f'<constellation id="{n}">{inner}</constellation>')
    return "".join(objects)


def stl_of(count: int, held: int, value: float = 1.0) -> bytes:
    triangle = struct.pack("<12fH", 0, 0, 0, value, 0, 0, 0, 1, 0, 0, 0, 1, 0)
    return b" " * 80 + struct.pack("<L", count) + triangle * held


def zipped(data: bytes, times: int) -> bytes:
    for n in range(times):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{n}.model", data)
        data = out.getvalue()
    return data


LAUGHS = "<!DOCTYPE m [" + '<!ENTITY a0 "ha">' + "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)
) + "]>"  # fmt: skip
QUADRATIC = f'<!DOCTYPE m [<!ENTITY a "{"x" * 100_000}">]>'
XXE = '<!DOCTYPE m [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
VERTEX = b'<vertex x="0" y="0" z="0"/>' * 40_000
HTML = "<!DOCTYPE html><html><body>Sign in to download</body></html>"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 500
ONE_AMF = AMF.format(before="", inner=constellations(0, 0))
OBJ = "v 0 0 0\nv 9 0 0\nv 0 9 0\nv 0 0 9\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf {last}\n"

HOSTILE: dict[str, Maker] = {
    "bomb-of-blanks.3mf": bomb_of(b" " * 1_000_000, 400),
    "bomb-of-points.3mf": bomb_of(VERTEX, 250),
    "bomb-below-the-limit.3mf": bomb_of(b" " * 1_000_000, 250),
    "overlapping.3mf": overlapping,
    "overlapping.amf": overlapping,
    "nested.3mf": text(zipped(b" " * 1_000_000, 30)),
    "says-less-in-the-directory.3mf": lying_size(10, in_local=False),
    "says-less.3mf": lying_size(10, in_local=True),
    "says-more.3mf": lying_size(250_000_000, in_local=True),
    "a-thousand-and-more.3mf": packed(*((f"{n}.model", b"") for n in range(1500))),
    "same-name-twice.3mf": packed(
        ("3D/3dmodel.model", whole_model()), ("3D/3DMODEL.model", whole_model())
    ),
    "symlink.3mf": symlink,
    "traversal.3mf": packed(("../../../tmp/x.model", b""), ("3D/3dmodel.model", whole_model())),
    "absolute.3mf": packed(("/etc/x.model", b""), ("3D/3dmodel.model", whole_model())),
    "backslashes.3mf": packed(("..\\..\\x.model", b""), ("3D/3dmodel.model", whole_model())),
    "laughs.3mf": model(CUBE + "<x>&a9;</x>", before=LAUGHS),
    "laughs.amf": text(AMF.format(before=LAUGHS, inner="&a9;")),
    "quadratic.3mf": model(CUBE + "<x>" + "&a;" * 20_000 + "</x>", before=QUADRATIC),
    "xxe.3mf": model(CUBE + "<x>&a;</x>", before=XXE),
    "xxe.amf": text(AMF.format(before=XXE, inner="<object id='1'>&a;</object>")),
    "contains-itself.3mf": model(
        '<object id="1"><components><component objectid="1"/></components></object>'
    ),
    "contain-each-other.3mf": model(
        '<object id="1"><components><component objectid="2"/></components></object>'
        '<object id="2"><components><component objectid="1"/></components></object>'
    ),
    "contain-each-other.amf": text(
        AMF.format(
            before="",
            inner='<constellation id="1"><instance objectid="2"/></constellation>'
            '<constellation id="2"><instance objectid="1"/></constellation>',
        )
    ),
    "hundred-million-instances.3mf": model(doubling(8, 10), '<build><item objectid="9"/></build>'),
    "hundred-million-instances.amf": text(AMF.format(before="", inner=constellations(8, 10))),
    "very-deep.3mf": model(doubling(500, 1), '<build><item objectid="501"/></build>'),
    "no-such-object.3mf": model(build='<build><item objectid="7"/></build>'),
    "index-out-of-range.3mf": model(CUBE.replace('v1="1"', 'v1="999999999"', 1)),
    "index-minus-one.3mf": model(CUBE.replace('v1="1"', 'v1="-1"', 1)),
    "index-beyond-64-bits.3mf": model(CUBE.replace('v1="1"', f'v1="{10**30}"', 1)),
    "index-minus-one.amf": text(ONE_AMF.replace("<v1>0<", "<v1>-1<")),
    "index-out-of-range.amf": text(ONE_AMF.replace("<v1>0<", "<v1>4000000000<")),
    "nan.amf": text(ONE_AMF.replace("<x>0<", "<x>nan<")),
    "nan.3mf": model(CUBE.replace('x="20.0"', 'x="nan"', 1)),
    "inf.3mf": model(CUBE.replace('x="20.0"', 'x="inf"', 1)),
    "far.3mf": model(CUBE.replace('x="20.0"', 'x="1e300"', 1)),
    "far-by-transform.3mf": model(
        build='<build><item objectid="1" transform="1e300 0 0 0 1 0 0 0 1 0 0 0"/></build>'
    ),
    "says-four-thousand-million.stl": text(stl_of(2**32 - 1, 10)),
    "says-hundred-million.stl": text(stl_of(100_000_000, 10)),
    "says-too-few.stl": text(stl_of(3, 10)),
    "cut-off.stl": text(stl_of(10, 10)[:-20]),
    "nan.stl": text(stl_of(4, 4, float("nan"))),
    "inf.stl": text(stl_of(4, 4, float("inf"))),
    "no-end.stl": text("solid x\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\n"),
    "garbage.stl": text("solid " + "garbage " * 10_000),
    "one-long-line.stl": text("solid " + "9" * 20_000_000),
    "one-long-line.obj": text("v " + "9" * 20_000_000),
    "one-long-line.off": text("OFF " + "9" * 20_000_000),
    "one-long-number.amf": text(
        AMF.format(before="", inner="<object id='1'><x>" + "9" * 20_000_000 + "</x></object>")
    ),
    "points-without-end.3mf": flood(
        "".join(f'<vertex x="{number % 8191}" y="{number}" z="1"/>' for number in range(20_000))
    ),
    "attributes-without-end.3mf": flood(
        "<vertex x='1' y='0' z='1' " + " ".join(f"a{n}='{n}'" for n in range(5_000)) + "/>"
    ),
    "index-out-of-range.obj": text(OBJ.format(last="1 4 4000000000")),
    "index-far-before.obj": text(OBJ.format(last="1 4 -99999")),
    "index-of-a-thousand-digits.obj": text(OBJ.format(last="1 4 " + "9" * 10_000)),
    "nan.obj": text(OBJ.format(last="1 4 3").replace("9 0 0", "nan 0 0")),
    "flat-two-hundred-thousand-gon.obj": text(
        "".join(f"v {n} {n * n % 97} 0\n" for n in range(200_000))
        + "f "
        + " ".join(map(str, range(1, 200_001)))
    ),
    "names-other-files.obj": text("mtllib ../../../../etc/passwd\nv 0 0 0\nv 1 0 0\nf 1 2 3\n"),
    "says-four-thousand-million-binary.ply": text(
        PLY.format(kind="binary_little_endian", vertices=4_000_000_000, faces=4_000_000_000)
    ),
    "says-two-thousand-million.ply": text(
        PLY.format(kind="ascii", vertices=2_000_000_000, faces=2_000_000_000) + "0 0 0\n"
    ),
    "says-many-points-only.ply": text(
        PLY.format(kind="ascii", vertices=2_000_000_000, faces=1) + "0 0 0\n3 0 0 0\n"
    ),
    "says-two-thousand-million.off": text("OFF\n2000000000 2000000000 0\n0 0 0\n"),
    "no-number.off": text("OFF\n99999999999999999999999999999 x 0\n"),
    "a-picture.stl": text(PNG),
    "a-picture.3mf": text(PNG),
    "a-picture.obj": text(PNG),
    "a-picture.scad": text(PNG),
    "a-page.stl": text(HTML),
    "a-page.step": text(HTML),
    "a-page.amf": text(HTML),
    "junk.step": text("ISO-10303-21;\n" + "#1=CARTESIAN_POINT('',(0.,0.,0.));\n" * 100_000),
    "reads-others.scad": text('import("/etc/passwd");'),
    "empty.stl": text(""),
    "nothing.3mf": packed(),
}


def accepted_as(path: Path) -> str | None:
    """The format that the request takes it for, or None when it is refused there."""
    try:
        return validate_first_bytes(path, path.name)
    except UnreadableFile as refused:
        problem = refused.problem()
        if problem["status"] != 422 or not str(problem["detail"]).endswith("."):
            raise
        return None


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_a_clear_no(tmp_path: Path, name: str) -> None:
    path, out = tmp_path / name, tmp_path / "out"
    HOSTILE[name](path)
    format_ = accepted_as(path)
    if format_ is None:
        return
    argv = [
        *sandbox.python_module("fabcoord.designs.meshcheck"), "--stage", "verdict",
        "--input", path, "--format", format_, "--out", out,
    ]  # fmt: skip
    ended = sandbox.run(argv, cwd=out, limits=LIMITS)
    assert ended.returncode == 0, (ended.signal_name, ended.stderr)
    report = CheckReport.from_json((out / "report.json").read_text())
    assert report.verdict in (None, Verdict.UNPRINTABLE), "never printable, never repairable"
    assert any(finding.severity == "error" for finding in report.findings)
    assert {one.name for one in out.iterdir()} <= {"report.json", "marks.json"}
    assert "passwd" not in (out / "report.json").read_text()
    assert not (tmp_path.parent / "x.model").exists()


def test_a_request_with_a_bomb_takes_the_server_next_to_nothing(tmp_path: Path) -> None:
    """What the server itself does with them: no memory, no time, no thread left behind."""
    import tracemalloc

    made = [tmp_path / name for name in HOSTILE if name.endswith((".3mf", ".amf", ".scad"))]
    for path in made:
        HOSTILE[path.name](path)
    before = threading.active_count()
    tracemalloc.start()
    for path in made:
        started = time.process_time()
        accepted_as(path)
        assert time.process_time() - started < 5.0
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 32_000_000
    assert threading.active_count() == before
