"""Draws a small face from a seed, as plain SVG without scripts or external files."""

from __future__ import annotations

import colorsys
import hashlib
import re
from collections.abc import Iterator
from urllib.parse import quote

from voicebot.persona.gender import Gender

SKINS = ("#f6d7c3", "#edbf9c", "#d9a17a", "#b87b52", "#8a5636", "#5f3a25")
HAIRS = ("#2b211c", "#5a3825", "#9a6a34", "#d8b15a", "#a9a9a9", "#e8e4dc", "#8c3b2a")
HATS = {
    "#27405e": ("keeper", "captain", "sailor", "pilot", "officer", "conductor", "driver"),
    "#f4f4f0": ("cook", "chef", "baker", "doctor", "nurse"),
    "#4b2e6b": ("wizard", "witch", "magician", "sorcerer", "oracle"),
}
BEARDED = ("keeper", "wizard", "sailor", "captain")
GLASSES = ("professor", "teacher", "librarian", "scientist", "tutor", "engineer", "lawyer", "bookish")
FROWN = ("grumpy", "angry", "stern", "sad", "gloomy", "bitter", "strict", "bored")


def draw(seed: str, character: str = "", gender: Gender | None = None) -> str:
    """Return an SVG of 160 by 160 units. Words in `character` decide about hat, glasses and mouth.

    `gender` decides about hair and beard. Without it, the face is neutral.
    """
    dice = _dice(seed)
    words = character.lower()
    hue = next(dice) / 255
    top, bottom = _colour(hue, 0.45, 0.93), _colour(hue + 0.09, 0.55, 0.70)
    coat = _colour(hue + 0.45 + next(dice) / 1500, 0.5, 0.5)
    skin, hair = SKINS[next(dice) % len(SKINS)], HAIRS[next(dice) % len(HAIRS)]
    if any(word in words for word in ("old", "grand", "retired", "ancient", "elderly")):
        hair = "#e8e4dc"
    width, eye = 30 + next(dice) % 7, 11 + next(dice) % 4
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 160" role="img">',
        f'<defs><linearGradient id="b" x2="0" y2="1"><stop stop-color="{top}"/>'
        f'<stop offset="1" stop-color="{bottom}"/></linearGradient></defs>',
        '<rect width="160" height="160" fill="url(#b)"/>',
        f'<circle cx="{30 + next(dice) % 100}" cy="{20 + next(dice) % 30}" r="26" fill="#fff" '
        'opacity=".25"/>',
        _hair_behind(next(dice), hair, width, gender),
        f'<path d="M28 162c4-34 24-46 52-46s48 12 52 46z" fill="{coat}"/>',
        f'<path d="M68 104h24v16q-12 12-24 0z" fill="{skin}"/>',
        f'<ellipse cx="80" cy="80" rx="{width}" ry="37" fill="{skin}"/>',
        _hair_front(next(dice), hair, width),
        *(
            f'<circle cx="{x}" cy="80" r="3.6" fill="#222"/>'
            f'<circle cx="{x - 1}" cy="79" r="1.1" fill="#fff"/>'
            for x in (80 - eye, 80 + eye)
        ),
        '<path d="M80 83q-4 8 1 9" fill="none" stroke="#000" stroke-opacity=".35" stroke-width="2"/>',
    ]
    frown = any(word in words for word in FROWN)
    for side in (-1, 1):
        brow = (
            f"M{80 + side * (eye + 7)} 67L{80 + side * (eye - 7)} 72"
            if frown
            else (f"M{74 + side * eye} 70q6 -5 12 0")
        )
        parts.append(
            f'<path d="{brow}" fill="none" stroke="{hair}" stroke-width="3" stroke-linecap="round"/>'
        )
    bend = -6 if frown else 5 + next(dice) % 6
    parts.append(
        f'<path d="M69 {102 if frown else 98}q11 {bend} 22 0" fill="none" stroke="#7b2f2f" '
        'stroke-width="3" stroke-linecap="round"/>'
    )
    if any(word in words for word in GLASSES) or next(dice) % 6 == 0:
        parts.append(
            '<g fill="#fff" fill-opacity=".25" stroke="#333" stroke-width="2">'
            f'<circle cx="{80 - eye}" cy="80" r="9"/><circle cx="{80 + eye}" cy="80" r="9"/>'
            f'<path d="M{89 - eye} 80H{71 + eye}"/></g>'
        )
    bearded = gender == "masculine" and any(word in words for word in BEARDED)
    if bearded or re.search(r"\b(beard|bearded)\b", words):
        parts.append(
            f'<path d="M{82 - width} 92q4 42 {width - 2} 42t{width - 2} -42q-{width - 8} 6 -{width - 2} 3'
            f't-{width - 2} -3z" fill="{hair}"/><path d="M70 103q10 5 20 0" fill="none" stroke="#7b2f2f" '
            'stroke-width="3" stroke-linecap="round"/>'
        )
    hat = next((colour for colour, who in HATS.items() if any(word in words for word in who)), "")
    if hat == "#4b2e6b":
        parts.append(f'<path d="M38 58Q70 48 88 4q8 38 36 52Q80 44 38 58z" fill="{hat}"/>')
    elif hat:
        parts.append(
            f'<path d="M44 58Q40 26 80 26t36 32q-36 -12 -72 0z" fill="{hat}"/>'
            '<path d="M42 60q38 -18 76 0q-38 -6 -76 0z" fill="#111" opacity=".75"/>'
        )
    parts.append("</svg>")
    return "".join(parts)


def data_url(svg: str) -> str:
    """Return an SVG as a data URL for `<img>`."""
    return "data:image/svg+xml," + quote(svg, safe=" =:/'(),;.-")


def _hair_behind(roll: int, colour: str, width: int, gender: Gender | None) -> str:
    """Return long hair: always if feminine, never if masculine, and else sometimes."""
    if gender == "masculine" or (gender is None and roll % 3):
        return ""
    return f'<path d="M{74 - width} 132Q{66 - width} 40 80 38T{86 + width} 132z" fill="{colour}"/>'


def _hair_front(roll: int, colour: str, width: int) -> str:
    left, right = 80 - width - 2, 80 + width + 2
    match roll % 4:
        case 0:
            shape = f"M{left} 76Q{left} 38 80 38T{right} 76Q{right - 8} 56 80 56T{left} 76z"
        case 1:
            shape = f"M{left} 80Q{left - 4} 36 84 37T{right} 78Q{right - 14} 52 66 62T{left} 80z"
        case 2:
            shape = f"M{left} 74Q{left + 4} 40 80 41T{right} 74Q{right - 2} 60 96 58T{left} 74z"
        case _:
            shape = (
                f"M{left} 82q-2-14 4-22q-2-10 12-14q6-10 20-6q14-4 20 6q14 4 12 14q6 8 4 22"
                "q-10-24-36-24t-36 24z"
            )
    return f'<path d="{shape}" fill="{colour}"/>'


def _colour(hue: float, saturation: float, value: float) -> str:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _dice(seed: str) -> Iterator[int]:
    """Yield bytes without end, which depend only on the seed."""
    block = seed.encode()
    while True:
        block = hashlib.sha256(block).digest()
        yield from block
