"""Run every included method of `howfar bench` on the entries that howfar brings, and count what each holds.

`docs/make_bench.py` writes the page of the record. The numbers of the method `howfar` are those of `benchmarks/answer.py`, from
whose run folders `benchmarks/bench_entries.py` makes the entries: a test holds both records together.
"""

from __future__ import annotations

from typing import Any

from record import leave, parser

from howfar.studies.bench.method_comparison import INCLUDED, bench


def main() -> None:
    arguments = parser(__doc__ or "").parse_args()
    leave("bench", rounded(bench(INCLUDED)), arguments.json)


def rounded(value: Any) -> Any:
    """Round every number to six decimals."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
