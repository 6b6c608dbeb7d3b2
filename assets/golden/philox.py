"""Philox 4x32-10 in NumPy: the random numbers that the engine's kernels draw, written a second time.

Source: Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", 2011.
"""

import numpy as np

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)


def philox4x32(counters, key):
    """Random words [n, 4] for counters [n, 4] and one key of two words."""
    counters = np.asarray(counters, dtype=np.uint64)
    c0, c1, c2, c3 = (counters[:, i] for i in range(4))
    k0, k1 = key
    for _ in range(10):
        product0 = np.uint64(_MULTIPLIERS[0]) * c0
        product1 = np.uint64(_MULTIPLIERS[1]) * c2
        c0, c1, c2, c3 = (
            (product1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            product1 & _MASK,
            (product0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            product0 & _MASK,
        )
        k0 = (k0 + _WEYL[0]) & 0xFFFFFFFF
        k1 = (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def words(count, counter_tail, key):
    """`count` random words: word i is word i % 4 for the counter [i / 4, *counter_tail]."""
    blocks = (count + 3) // 4
    counters = np.empty((blocks, 4), dtype=np.uint64)
    counters[:, 0] = np.arange(blocks)
    counters[:, 1:] = counter_tail
    return philox4x32(counters, key).reshape(-1)[:count]


def uniforms(count, counter_tail, key):
    """`count` f64 numbers in [0, 1) of 24 bits, one from each of `words`."""
    return (words(count, counter_tail, key) >> np.uint32(8)).astype(np.float64) / 2.0**24


def _check_known_answers():
    """The vectors published with Random123 (kat_vectors)."""
    zeros = philox4x32([[0] * 4], (0, 0))[0].tolist()
    ones = philox4x32([[0xFFFFFFFF] * 4], (0xFFFFFFFF, 0xFFFFFFFF))[0].tolist()
    assert zeros == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8], zeros
    assert ones == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD], ones


_check_known_answers()
