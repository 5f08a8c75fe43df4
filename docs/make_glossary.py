"""Write docs/glossary.md of howfar's own glossary; --check fails where it is not current."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from howfar.glossary import Term, explain, glossary

PAGE = Path(__file__).parent / "glossary.md"
HEAD = """# Glossary

The words of howfar's tables, pages and sentences, each with one meaning. `howfar explain TERM` prints the same, and every
report ends with those that it uses. `python docs/make_glossary.py` makes this page of `src/howfar/glossary.toml`.

"""


def anchor(name: str) -> str:
    """Name the place of a term on the page."""
    return re.sub(r"[^\w]+", "-", name.replace("τ", "tau").casefold()).strip("-")


def entry(term: Term) -> str:
    """Write one term."""
    also = f" ({', '.join(f'`{one}`' for one in term.also)})" if term.also else ""
    formula = f" `{term.formula}`" if term.formula else ""
    links = [f"[{explain(name).name}](#{anchor(explain(name).name)})" for name in term.see]
    more = "; ".join([f"[more]({term.page})", *([f"see {', '.join(links)}"] if links else [])])
    return f'<a id="{anchor(term.name)}"></a>**{term.name}**{also}: {term.text}{formula} {more[0].upper()}{more[1:]}.'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare with the page that is there")
    text = HEAD + "\n\n".join(entry(term) for term in sorted(glossary(), key=lambda term: term.name.casefold())) + "\n"
    if parser.parse_args().check:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            print("docs/glossary.md is not current: run python docs/make_glossary.py", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
