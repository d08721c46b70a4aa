"""Changes to an input that a fuzzer without knowledge of lines, headers and scripts would hardly find."""

from collections.abc import Callable
from random import Random
from typing import Final

from tests.fuzz.grammar import NUMBERS, ODD, WIDE, Wild
from tests.fuzz.talk import BETWEEN

LARGEST: Final = 65536
Change = Callable[[bytes, Random], bytes]


def mutated(data: bytes, random: Random, largest: int = LARGEST) -> bytes:
    """One to four changes."""
    for _ in range(random.randint(1, 4)):
        data = random.choice(CHANGES)(data, random)
    return data[:largest]


def _of_lines(change: Callable[[list[bytes], int, Random], None]) -> Change:
    def changed(data: bytes, random: Random) -> bytes:
        lines = data.split(b"\r\n")
        change(lines, random.randrange(len(lines)), random)
        return b"\r\n".join(lines)

    return changed


def _drop(lines: list[bytes], at: int, _: Random) -> None:
    del lines[at]


def _double(lines: list[bytes], at: int, random: Random) -> None:
    lines.insert(random.randint(0, len(lines)), lines[at])


def _swap(lines: list[bytes], at: int, random: Random) -> None:
    other = random.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]


def _new_header(lines: list[bytes], at: int, random: Random) -> None:
    lines.insert(max(1, at), Wild(random).header().encode("utf-8", "surrogateescape"))


def _new_value(lines: list[bytes], at: int, random: Random) -> None:
    name = lines[at].partition(b":")[0].decode("latin-1")
    value = Wild(random, 0.1).value_of(name, "INVITE")
    lines[at] = f"{name}: {value}".encode("utf-8", "surrogateescape")


def _fold(lines: list[bytes], at: int, random: Random) -> None:
    where = random.randint(0, len(lines[at]))
    lines[at] = lines[at][:where] + b"\r\n " + lines[at][where:]


def _odd_text(data: bytes, random: Random) -> bytes:
    at = random.randint(0, len(data))
    odd = random.choice((*ODD, *WIDE, *NUMBERS)).encode("utf-8", "surrogateescape")
    return data[:at] + odd + data[at + random.choice((0, 0, len(odd))) :]


def _again_and_again(data: bytes, random: Random) -> bytes:
    """A part of it many times over: what takes more than linear time shows."""
    at = random.randint(0, len(data))
    part = data[at : at + random.choice((1, 1, 2, 3, 8, 40))]
    return data[:at] + part * random.choice((2, 100, LARGEST // max(1, len(part)))) + data[at:]


def _piece_again(data: bytes, random: Random) -> bytes:
    pieces = data.split(BETWEEN)
    pieces.insert(random.randint(0, len(pieces)), random.choice(pieces))
    return BETWEEN.join(pieces)


def _pieces_swapped(data: bytes, random: Random) -> bytes:
    pieces = data.split(BETWEEN)
    random.shuffle(pieces)
    return BETWEEN.join(pieces)


def _new_message(data: bytes, random: Random) -> bytes:
    return BETWEEN.join([*data.split(BETWEEN), Wild(random).message()])


CHANGES: Final[tuple[Change, ...]] = (
    *map(_of_lines, (_drop, _double, _swap, _new_header, _new_header, _new_value, _new_value, _fold)),
    _odd_text,
    _odd_text,
    _again_and_again,
    _piece_again,
    _pieces_swapped,
    _new_message,
)
