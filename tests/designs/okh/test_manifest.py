"""Manifests: what is written is read back, and hostile documents end in a word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabcoord.designs.okh import documents
from fabcoord.designs.okh.documents import Unreadable
from fabcoord.designs.okh.manifest import Manifest, Version, read, write

texts = st.text(st.characters(codec="utf-8"), max_size=40)
keys = st.one_of(st.sampled_from(["name", "license", "yes", "1.0", "<<", "~"]), texts)
scalars = st.one_of(
    texts, st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["no", "1.10", "2019-05-01", "1e3", "0o7", "12:30", "null", "", " a: b", "#"]),
)  # fmt: skip


def values(scalar: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalar,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


def fields_of(scalar: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    plain = st.dictionaries(keys, values(scalar), max_size=6)
    return st.builds(lambda some, version: some | {"version": version}, plain, texts)


@settings(max_examples=200, deadline=None)
@given(fields_of(scalars), st.sampled_from([Version.LOSH, Version.V2_3, Version.V2_4]))
def test_a_toml_manifest_is_read_back_as_it_was_written(
    fields: dict[str, Any], version: Version
) -> None:
    manifest = Manifest(version, fields | {"okhv": version.value})
    assert read(write(manifest).encode(), "okh.toml")[0] == manifest


@settings(max_examples=200, deadline=None)
@given(fields_of(scalars | st.none()))
def test_a_yaml_manifest_is_read_back_as_it_was_written(fields: dict[str, Any]) -> None:
    manifest = Manifest(Version.V1, fields)
    assert read(write(manifest).encode(), "okh.yml")[0] == manifest


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["okh.toml", "okh.yml", ""]))
def test_any_bytes_are_a_manifest_or_unreadable(data: bytes, name: str) -> None:
    try:
        manifest, _ = read(data, name)
    except Unreadable:
        return
    assert isinstance(manifest.fields, dict)


def test_yaml_keeps_words_that_look_like_numbers_and_dates() -> None:
    text = b"title: no\nversion: 1.10\ndate-created: 2019-05-01\nmade: true\nmass: 12\n"
    assert read(text, "okh.yml")[0].fields == {
        "title": "no", "version": "1.10", "date-created": "2019-05-01", "made": True, "mass": 12,
    }  # fmt: skip


def test_each_key_has_its_line() -> None:
    text = b"""okhv = "2.4"
name = "Lamp"  # a lamp
function = \"\"\"
name = "not a key"
\"\"\"
[outer-dimensions]
width = 1
[[part]]
name = "Foot"
[[part]]
name = "Head"
"""
    lines = documents.read_toml(text).lines
    assert lines["name",] == 2
    assert lines["outer-dimensions", "width"] == 7
    assert lines["part", 1, "name"] == 11
    lines = documents.read_yaml(b"title: a\nlicense:\n  hardware: MIT\nkeywords:\n  - x\n").lines
    assert (lines["license", "hardware"], lines["keywords", 0]) == (3, 5)


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(98, 112)
)


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (BOMB, "okh.yml", "bad-yaml"),
        (b"a: *nothing", "okh.yml", "bad-yaml"),
        (b"[" * 50_000, "okh.yml", "bad-yaml"),
        (b"a: !!python/object/apply:os.system [id]", "okh.yml", "bad-yaml"),
        (b"a: !!binary aGk=", "okh.yml", "not-plain"),
        (b"- a\n- b\n", "okh.yml", "not-a-mapping"),
        (b"", "okh.yml", "not-a-mapping"),
        (b"a: 1\n\tb: 2\n", "okh.yml", "bad-yaml"),
        (b"x = " + b"[" * 50_000, "okh.toml", "bad-toml"),
        (b"a" + b".a" * 2000 + b" = 1", "okh.toml", "too-deep"),
        (b"a = 1\nb = 2\na = 3\n", "okh.toml", "duplicate-key"),
        (b"[x]\n[x]\n", "okh.toml", "duplicate-key"),
        (b"a = nan", "okh.toml", "not-a-number"),
        (b"a = " + b"9" * 9000, "okh.toml", "bad-toml"),
        (b"a = \xff", "okh.toml", "not-utf-8"),
        (b"#" * 300_000, "okh.toml", "too-large"),
        (b"a = [" + b"1," * 100_000 + b"]", "okh.toml", "too-deep"),
    ],
    ids=lambda one: ascii(one[:20]),
)
def test_hostile_documents_end_in_a_word(data: bytes, name: str, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(data, name)
    assert caught.value.code == code


def test_a_broken_document_says_on_which_line() -> None:
    for data, name in ((b"a = 1\na = 2\n", "okh.toml"), (b"a: 1\nb: [\n", "okh.yml")):
        with pytest.raises(Unreadable) as caught:
            read(data, name)
        assert caught.value.line in (2, 3)
