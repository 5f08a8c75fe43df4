"""Write docs/glossary.md of howfar's own glossary; --check fails where it is not current."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from generated_page import leave

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


def page() -> str:
    """Write all terms in the order of the alphabet."""
    return HEAD + "\n\n".join(entry(term) for term in sorted(glossary(), key=lambda term: term.name.casefold())) + "\n"


def main() -> int:
    return leave(__doc__, {PAGE: page})


if __name__ == "__main__":
    sys.exit(main())
