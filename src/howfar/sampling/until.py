"""Say whether an interval settles a question: is the mean known to ± x, is it at least, or at most, a level."""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Real

from howfar.errors import InputError

_TEXT = re.compile(r"(?:(?P<width>±|\+/-|\+-)|(?P<name>[A-Za-z]\w*)?\s*(?P<sign>>=|<=|≥|≤))\s*(?P<value>\d*\.?\d+)")
_SIGNS = {">=": "at least", "≥": "at least", "<=": "at most", "≤": "at most"}


@dataclass(frozen=True)
class Until:
    """Hold a rule that ends labelling.

    Attributes
    ----------
    kind
        "half width": the interval's half width is at most `value`. "at least", "at most": the mean is, or is not.
    value
        Half width or level, above 0 and below 1.

    Raises
    ------
    InputError
        Another kind, or a value outside (0, 1).
    """

    kind: str
    value: float

    def __post_init__(self) -> None:
        if self.kind not in ("half width", "at least", "at most"):
            raise InputError.of("kind", 'must be "half width", "at least" or "at most"', self.kind)
        if not isinstance(self.value, Real) or not 0.0 < self.value < 1.0:
            raise InputError.of("until", "must name a value between 0 and 1", self.value)

    @classmethod
    def parse(cls, text: str) -> Until:
        """Read a rule as people write it.

        Raises
        ------
        InputError
            A text that is no rule.

        Examples
        --------
        >>> from howfar.sampling import Until
        >>> Until.parse("±0.05"), Until.parse("F >= 0.6")
        (Until(kind='half width', value=0.05), Until(kind='at least', value=0.6))
        """
        found = _TEXT.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise InputError.of("until", "must read like ±0.05, F >= 0.6 or F <= 0.3", text)
        kind = "half width" if found["width"] else _SIGNS[found["sign"]]
        return cls(kind, float(found["value"]))

    def settled(self, low: float, high: float) -> str:
        """Return what an interval says of the rule: "yes", "no" or "undecided".

        Examples
        --------
        >>> from howfar.sampling import Until
        >>> rule = Until("at least", 0.6)
        >>> rule.settled(0.62, 0.9), rule.settled(0.4, 0.9), rule.settled(0.1, 0.5)
        ('yes', 'undecided', 'no')
        """
        if self.kind == "half width":
            return "yes" if (high - low) / 2.0 <= self.value else "undecided"
        met, broken = (
            (low >= self.value, high < self.value) if self.kind == "at least" else (high <= self.value, low > self.value)
        )
        return "yes" if met else "no" if broken else "undecided"
