"""Finding papers by any two characters of their words, in Chinese as in English, with a plain GIN index.

A paper keeps the pairs of characters of its words; a search asks for the papers that hold all pairs of the phrase.
"""

from __future__ import annotations

import unicodedata


def pairs(*texts: str) -> list[str]:
    """Every two neighbouring characters of `texts`, folded (NFKC, lower case), without spaces."""
    found: set[str] = set()
    for text in texts:
        folded = "".join(unicodedata.normalize("NFKC", text).lower().split())
        found.update(folded[n : n + 2] for n in range(len(folded) - 1))
    return sorted(found)
