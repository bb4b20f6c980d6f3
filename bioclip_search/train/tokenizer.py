"""Learns a small byte-pair vocabulary from names and writes it in the format that open_clip's tokenizer reads.

The splitting of a text into words is open_clip's own, so that learning and use can never differ.

Reference: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016.
"""

from __future__ import annotations

import gzip
import heapq
import itertools
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import regex
from open_clip.tokenizer import SimpleTokenizer, bytes_to_unicode

FILE_NAME = "bpe_simple_vocab.txt.gz"
HEADER = '"bpe_simple_vocab" byte-pair merges learned by bioclip-search'
END = "</w>"

Pair = tuple[str, str]


def vocabulary_size(n_merges: int) -> int:
    """The rows of the embedding table: 256 bytes, the same at a word's end, the merges, and two marks."""
    return 512 + n_merges + 2


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each word stands in the texts, cleaned, lower-cased and cut as open_clip does before its merges."""
    tokenizer = SimpleTokenizer()
    words: Counter[str] = Counter()
    for text in texts:
        words.update(regex.findall(tokenizer.pat, tokenizer.clean_fn(text)))
    return words


def learn_merges(words: Mapping[str, int], n_merges: int) -> list[Pair]:
    """The pairs of symbols to join, most frequent first; fewer than asked for when nothing is left to join.

    Ties go to the pair that comes first in the alphabet, so the result depends on the counts alone.

    >>> learn_merges({"lion": 3, "lions": 1, "ion": 1}, 2)
    [('i', 'o'), ('io', 'n</w>')]
    """
    splits = [_symbols(word) for word in words]
    weights = list(words.values())
    counts: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for i, symbols in enumerate(splits):
        _count(symbols, weights[i], i, counts, where)
    queue = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(queue)
    merges: list[Pair] = []
    while queue and len(merges) < n_merges:
        negative, pair = heapq.heappop(queue)
        # Subtle: counts change while entries wait in the queue; an entry is believed only when its count still holds.
        if counts[pair] != -negative or not negative:
            continue
        merges.append(pair)
        for changed in _apply(pair, splits, weights, counts, where):
            heapq.heappush(queue, (-counts[changed], changed))
    return merges


def write_merges(merges: Iterable[Pair], path: Path) -> None:
    """Writes the gzip that `SimpleTokenizer(bpe_path=...)` reads; the same merges give the same bytes."""
    # Subtle: no newline at the end, or open_clip would read one more, empty merge.
    text = "\n".join([HEADER, *(f"{first} {second}" for first, second in merges)])
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def load_tokenizer(path: Path, context_length: int) -> SimpleTokenizer:
    """open_clip's tokenizer over a vocabulary that `write_merges` wrote."""
    return SimpleTokenizer(bpe_path=str(path), context_length=context_length)


def tokenizer_of(merges: Iterable[Pair], context_length: int) -> SimpleTokenizer:
    """The same for merges that are not, or not yet, in a file of their own."""
    with tempfile.TemporaryDirectory() as folder:
        write_merges(merges, Path(folder) / FILE_NAME)
        return load_tokenizer(Path(folder) / FILE_NAME, context_length)


def _symbols(word: str) -> list[str]:
    byte_symbols = bytes_to_unicode()
    symbols = [byte_symbols[byte] for byte in word.encode()]
    return [*symbols[:-1], symbols[-1] + END]


def _count(symbols: list[str], weight: int, i: int, counts: Counter[Pair], where: dict[Pair, set[int]]) -> None:
    for pair in itertools.pairwise(symbols):
        counts[pair] += weight
        where[pair].add(i)


def _apply(pair: Pair, splits: list[list[str]], weights: list[int], counts: Counter[Pair], where: dict[Pair, set[int]]) -> set[Pair]:
    """Joins the pair in every word that holds it; returns the pairs whose count has changed."""
    changed: set[Pair] = set()
    for i in where.pop(pair):
        old = splits[i]
        new = _joined(old, pair)
        if len(new) == len(old):
            continue
        for gone in itertools.pairwise(old):
            counts[gone] -= weights[i]
            changed.add(gone)
        splits[i] = new
        _count(new, weights[i], i, counts, where)
        changed.update(itertools.pairwise(new))
    counts[pair] = 0
    return {entry for entry in changed if counts[entry] > 0}


def _joined(symbols: list[str], pair: Pair) -> list[str]:
    joined: list[str] = []
    i = 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == pair:
            joined.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            joined.append(symbols[i])
            i += 1
    return joined
