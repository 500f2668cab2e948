"""统一社会信用代码 (GB 32100-2015), which is also the 纳税人识别号 of a company."""

from __future__ import annotations

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # no I, O, S, V, Z
WEIGHTS = tuple(pow(3, n, 31) for n in range(17))
CONFUSIONS = str.maketrans({"O": "0", "I": "1", "Z": "2", "S": "5"})


def check_character(body: str) -> str:
    """The 18th character for the first 17. Raises ValueError on characters outside the alphabet."""
    total = sum(ALPHABET.index(letter) * weight for letter, weight in zip(body, WEIGHTS, strict=True))
    return ALPHABET[(31 - total % 31) % 31]


def is_social_credit_code(text: str) -> bool:
    """Whether `text` has 18 characters and the right last one. Older numbers of 15, 17 or 20 are none."""
    if len(text) != 18 or any(letter not in ALPHABET for letter in text):
        return False
    return check_character(text[:17]) == text[17]


def normalised(text: str) -> str:
    """Upper case without blanks; a misread letter is mended only when the check then passes."""
    plain = "".join(text.split()).upper()
    if len(plain) == 18 and not is_social_credit_code(plain):
        mended = plain.translate(CONFUSIONS)
        if is_social_credit_code(mended):
            return mended
    return plain


def is_doubtful(text: str) -> bool:
    """An 18-character number that fails its check. Personal numbers (ID cards) and other lengths are not judged."""
    return len(text) == 18 and not is_social_credit_code(text) and not _is_identity_card(text)


def _is_identity_card(text: str) -> bool:
    """居民身份证 (GB 11643): 17 digits and the MOD 11-2 check."""
    if not (text[:17].isdigit() and (text[17].isdigit() or text[17] == "X")):
        return False
    total = sum(int(digit) * (pow(2, 17 - n) % 11) for n, digit in enumerate(text[:17]))
    return "10X98765432"[total % 11] == text[17]
