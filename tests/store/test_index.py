"""What the index answers, in a dict and in sorted parts, against the plainest index that there is."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.store import index as indexes
from howfar.store.content_digests import HexContents, digest_of, digests_of, in_hex
from howfar.store.index import Index
from howfar.store.shards import Shard
from howfar.store.sorted_run import SLOTS, run_of

# Hexadecimal contents that share 8 bytes with others, so that only the rest tells them apart; and texts.
ALIKE = [f"{k % 3:016x}{k:016x}" for k in range(40)]
TEXTS = [f"text {k}" for k in range(6)] + ["ab" * 32, "AB" * 16, "ab" * 16, " " * 32, "é" * 32, ""]


class Plain:
    """Map contents to the oldest shard that holds them by looking through all of them."""

    def __init__(self):
        self.shards = {}

    def positions(self):
        places = sorted((name, row, content) for name, shard in self.shards.items() for content, row in shard)
        found = {}
        for name, row, content in places:
            found.setdefault(content, (name, row))
        return found


def shard_of(name, entries):
    contents, rows = [content for content, _ in entries], [row for _, row in entries]
    return Shard(name, 50, in_hex(contents) or contents, np.array(rows, np.int64), np.zeros(50, np.uint64))


def agree(index, plain, contents):
    wanted = plain.positions()
    assert index.holds(contents).tolist() == [content in wanted for content in contents]
    assert [content in index for content in contents] == [content in wanted for content in contents]
    assert len(index) == len(wanted)
    known = [content for content in contents if content in wanted]
    found = index.locate(known)
    assert [(found.ids[k], row) for k, row in zip(found.shard, found.row.tolist(), strict=True)] == [
        wanted[content] for content in known
    ]
    for content in set(contents) - wanted.keys():
        with pytest.raises(KeyError) as missing:
            index.locate([*known, content])
        assert missing.value.args == (content,)


@pytest.mark.parametrize("young", [0, 7, 1 << 16])
@pytest.mark.parametrize("contents", [ALIKE, ALIKE + TEXTS], ids=["hexadecimal", "with texts"])
def test_it_answers_as_the_plainest_index_does(young, contents, monkeypatch):
    monkeypatch.setattr(indexes, "YOUNG", young)
    rng = np.random.default_rng(young)
    index, plain = Index(), Plain()
    for step in range(60):
        action = rng.integers(6)
        if action < 4:
            name = f"{rng.integers(1 << 60):032x}"
            picked = rng.choice(len(contents), rng.integers(1, 8))
            entries = [(contents[k], row) for row, k in enumerate(picked)]
            plain.shards[name] = entries
            index.insert([shard_of(name, entries)])
        elif action == 4 and plain.shards:
            gone = sorted(plain.shards)[rng.integers(len(plain.shards))]
            del plain.shards[gone]
            index.drop([gone])
        elif plain.shards:
            name = sorted(plain.shards)[rng.integers(len(plain.shards))]
            lost = set(rng.integers(0, 8, 3).tolist())
            plain.shards[name] = [(content, row) for content, row in plain.shards[name] if row not in lost]
            index.lose(name, lost)
        if step % 6 == 5:
            agree(index, plain, contents)
            used = {name for name, _ in plain.positions().values()}
            assert index.idle() == sorted(plain.shards.keys() - used)
    assert bool(index.in_memory) == (young < 100)


def test_contents_that_share_eight_bytes_are_told_apart_across_pages():
    numbers = np.arange(3 * SLOTS + 1, dtype=np.uint64)
    digests = np.stack([np.full(len(numbers), 5, np.uint64), numbers * np.uint64(2)], axis=1)
    run = run_of(["a"], [len(numbers)], [digests], [np.arange(len(numbers))])
    assert len(run.pages) == 4
    np.testing.assert_array_equal(run.find(digests[::-1]), np.arange(len(numbers))[::-1])
    others = digests + np.array([0, 1], np.uint64)
    assert (run.find(others) == -1).all()
    assert [run.has(5, 2 * k) for k in (0, SLOTS - 1, SLOTS, 3 * SLOTS)] == [True] * 4
    assert not any(run.has(5, 2 * k + 1) for k in (0, SLOTS, 3 * SLOTS))
    assert not run.has(4, 0)
    assert not run.has(2**64 - 1, 2**64 - 1)
    assert run.find(np.array([[2**64 - 1, 0], [0, 0]], np.uint64)).tolist() == [-1, -1]


@pytest.mark.parametrize("count", [0, 1, SLOTS, SLOTS + 1])
def test_the_highest_digest_is_no_filler(count):
    digests = np.arange(2 * count, dtype=np.uint64).reshape(-1, 2)
    highest = np.full((1, 2), 2**64 - 1, np.uint64)
    run = run_of(["a", "b"], [count, 1], [digests, highest], [np.arange(count), np.arange(1)])
    assert run.find(highest).tolist() == [1 << 32]
    assert run.has(2**64 - 1, 2**64 - 1)
    without = run_of(["a"], [count], [digests], [np.arange(count)])
    assert without.find(highest).tolist() == [-1]
    assert not without.has(2**64 - 1, 2**64 - 1)
    assert not without.has(2**64 - 1, 0)


def test_digests_of_contents():
    assert list(in_hex(ALIKE)) == ALIKE
    assert in_hex(ALIKE)[1:3][0] == ALIKE[1]
    assert in_hex(TEXTS) is None
    mixed = [*ALIKE, *TEXTS]
    digests = digests_of(mixed)
    assert len({tuple(row) for row in digests.tolist()}) == len(mixed)
    assert [digest_of(content) for content in mixed] == [tuple(row) for row in digests.tolist()]
    np.testing.assert_array_equal(digests[: len(ALIKE)], digests_of(ALIKE))
    assert digests_of([]).shape == (0, 2)
    assert len(HexContents(digests)) == len(mixed)
