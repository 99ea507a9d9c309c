from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from voicebot.rtc.reorder import MAX_DEPTH, MIN_DEPTH, AudioPacket, ReorderBuffer


def packet(sequence_number: int) -> AudioPacket:
    return AudioPacket(sequence_number & 0xFFFF, 0, b"", 0.0)


def run(numbers: list[int]) -> tuple[list[int], ReorderBuffer]:
    buffer = ReorderBuffer()
    out = [p.sequence_number for n in numbers for p in buffer.push(packet(n))]
    return out, buffer


def test_packets_in_order_pass_at_once() -> None:
    buffer = ReorderBuffer()
    for n in range(65_530, 65_550):
        assert buffer.push(packet(n)) == [packet(n)]
    assert buffer.held == 0


def test_two_swapped_packets_are_reordered() -> None:
    out, buffer = run([1, 2, 4, 3, 5])
    assert out == [1, 2, 3, 4, 5]
    assert buffer.lost == 0


def test_a_lost_packet_causes_a_short_wait_and_is_counted() -> None:
    buffer = ReorderBuffer()
    given_out = [[p.sequence_number for p in buffer.push(packet(n))] for n in (1, 3, 4, 5, 6)]
    assert given_out == [[1], [], [], [3, 4, 5], [6]]
    assert buffer.lost == 1


def test_late_packets_raise_the_depth_and_orderly_ones_lower_it() -> None:
    numbers = [0]
    for block in range(1, 200, 5):  # the first packet of each block comes after four others
        numbers += [block + 1, block + 2, block + 3, block + 4, block]
    out, buffer = run(numbers)
    assert MIN_DEPTH < buffer.depth <= MAX_DEPTH
    assert out[-50:] == list(range(151, 201))  # the depth is sufficient at the end, so nothing is lost
    for n in range(201, 4000):
        buffer.push(packet(n))
    assert buffer.depth == MIN_DEPTH


def test_duplicates_and_old_ones_are_dropped() -> None:
    out, _ = run([1, 2, 2, 1, 3, 3])
    assert out == [1, 2, 3]


def test_a_new_stream_starts_again() -> None:
    out, buffer = run([10, 11, 40_000, 40_001, 5, 6])
    assert out == [10, 11, 40_000, 40_001, 5, 6]
    assert buffer.lost == 0


def test_flush_returns_the_held_packets() -> None:
    buffer = ReorderBuffer()
    buffer.push(packet(1))
    buffer.push(packet(3))
    assert [p.sequence_number for p in buffer.flush()] == [3]
    assert buffer.lost == 1
    assert buffer.flush() == []


@given(st.integers(0, 65_535), st.integers(0, 2**32), st.floats(0, 0.3), st.integers(0, 3))
def test_output_is_in_order_and_without_duplicates(start: int, seed: int, loss: float, swap: int) -> None:
    rng = random.Random(seed)
    sent = [start + n for n in range(300) if n < 5 or rng.random() >= loss]
    arriving = sorted(range(len(sent)), key=lambda i: (i < 5 and -1000) or i + rng.uniform(0, swap))
    buffer = ReorderBuffer()
    out = [p.sequence_number for i in arriving for p in buffer.push(packet(sent[i]))]
    out += [p.sequence_number for p in buffer.flush()]
    order = [(n - start) & 0xFFFF for n in out]
    assert order == sorted(set(order))
    assert set(order) <= {n - start for n in sent}
    if swap <= MIN_DEPTH and loss == 0:
        assert len(order) == len(sent)
