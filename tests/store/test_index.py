"""What the index answers, in a dict and in a database, against the plainest index that there is."""

import numpy as np
import pytest

from howfar.store.shards import HexContents, Shard, digest_of, digests_of, in_hex
from howfar.store.sqlite_index import FILE, Index

# Hexadecimal contents that share 8 bytes with others, so that only the rest tells them apart; and texts.
ALIKE = [f"{k % 3:016x}{k:016x}" for k in range(40)] + ["f" * 32]
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
    assert (index.locate(contents).shard >= 0).tolist() == [content in wanted for content in contents]
    assert [content in index for content in contents] == [content in wanted for content in contents]
    assert len(index) == len(wanted)
    found = index.locate(contents)
    places = [(found.ids[k], row) if k >= 0 else None for k, row in zip(found.shard, found.row.tolist(), strict=True)]
    assert places == [wanted.get(content) for content in contents]


@pytest.mark.parametrize("saved_every", [0, 1, 5])
@pytest.mark.parametrize("contents", [ALIKE, ALIKE + TEXTS], ids=["hexadecimal", "with texts"])
def test_it_answers_as_the_plainest_index_does(saved_every, contents, tmp_path):
    rng = np.random.default_rng(saved_every)
    index, plain = Index("key", {}), Plain()
    if saved_every:
        index.attach(tmp_path / FILE, make=True)
    for step in range(60):
        action = rng.integers(6)
        if action < 4:
            name = f"{rng.integers(1 << 60):032x}"
            picked = rng.choice(len(contents), rng.integers(1, 8))
            entries = [(contents[k], row) for row, k in enumerate(picked)]
            plain.shards[name] = entries
            index.insert([shard_of(name, entries)])
            if saved_every and step % saved_every == 0:
                index.save()
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
    if saved_every:
        index.save()
        assert index.private() == []
        again = Index("key", index.lost)
        again.attach(tmp_path / FILE)
        again.read_filed(index.counts)
        agree(again, plain, contents)
        again.purge(again.filed.keys() - plain.shards.keys())
        assert again.filed == index.counts
        agree(again, plain, contents)


def test_digests_of_contents():
    assert list(in_hex(ALIKE)) == ALIKE
    assert in_hex(ALIKE)[1:3][0] == ALIKE[1]
    assert in_hex(TEXTS) is None
    mixed = [*ALIKE, *TEXTS]
    digests = digests_of(mixed)
    assert len({tuple(row) for row in digests.tolist()}) == len(mixed)
    assert [digest_of(content) for content in mixed] == [row.tobytes() for row in digests.astype(">u8")]
    np.testing.assert_array_equal(digests[: len(ALIKE)], digests_of(ALIKE))
    assert digests_of([]).shape == (0, 2)
    assert len(HexContents(digests)) == len(mixed)
