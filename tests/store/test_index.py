"""What the index answers, in a dict and in a database, against the plainest index that there is."""

from __future__ import annotations

import numpy as np
import pytest

from howfar.store.index import Index
from howfar.store.index_database import FILE, IndexDatabase
from howfar.store.index_file import HexContents, digest_of, digests_of, in_hex
from howfar.store.shards import Shard

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


@pytest.mark.parametrize("saved_every", [0, 1, 5])
@pytest.mark.parametrize("shared", [False, True], ids=["private", "shared"])
@pytest.mark.parametrize("contents", [ALIKE, ALIKE + TEXTS], ids=["hexadecimal", "with texts"])
def test_it_answers_as_the_plainest_index_does(saved_every, shared, contents, tmp_path):
    rng = np.random.default_rng(saved_every)
    index, plain = Index(), Plain()
    database = IndexDatabase(tmp_path / FILE if shared else None, "key") if saved_every else None
    for step in range(60):
        action = rng.integers(6)
        if action < 4:
            name = f"{rng.integers(1 << 60):032x}"
            picked = rng.choice(len(contents), rng.integers(1, 8))
            entries = [(contents[k], row) for row, k in enumerate(picked)]
            plain.shards[name] = entries
            index.insert([shard_of(name, entries)])
            if database is not None and step % saved_every == 0:
                young = list(index.young.values())
                database.add(young)
                index.adopt(database, [shard.id for shard in young], [] if shared else young)
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
            read = {name for name, shard in index.shards.items() if shard is not None}
            assert index.idle() == sorted((plain.shards.keys() - used) & read)
    if database is not None and shared:
        database.purge(set(database.numbers) - plain.shards.keys())
        index.adopt(database, ())
        agree(index, plain, contents)
        again = IndexDatabase(tmp_path / FILE, "key", make=False)
        assert (again.numbers, again.rows) == (database.numbers, database.rows)


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
