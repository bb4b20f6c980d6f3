import itertools
from collections import Counter

from open_clip.tokenizer import SimpleTokenizer, bytes_to_unicode

from bioclip_search.train.tokenizer import count_words, learn_merges, load_tokenizer, vocabulary_size, write_merges

NAMES = ["Panthera leo with common name Lion", "Panthera uncia", "Pantherophis guttatus", "Ñandú común", "Lion's mane 2"] * 3


def naive_merges(words: dict[str, int], n: int) -> list[tuple[str, str]]:
    """The textbook loop: count all pairs anew before every merge."""
    table = bytes_to_unicode()
    splits = {w: [*(table[b] for b in w.encode()[:-1]), table[w.encode()[-1]] + "</w>"] for w in words}
    merges = []
    while len(merges) < n:
        counts = Counter()
        for word, symbols in splits.items():
            for pair in itertools.pairwise(symbols):
                counts[pair] += words[word]
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        for word, symbols in splits.items():
            out, i = [], 0
            while i < len(symbols):
                step = 2 if tuple(symbols[i : i + 2]) == best else 1
                out.append("".join(symbols[i : i + step]))
                i += step
            splits[word] = out
    return merges


def test_merges_equal_those_of_the_textbook_loop():
    words = count_words(NAMES) + Counter({"aaaa": 2, "aaa": 1, "banana": 4, "a": 9})
    assert learn_merges(words, 500) == naive_merges(words, 500)


def test_learning_stops_when_nothing_is_left_to_join():
    assert learn_merges({"ab": 1, "c": 5}, 10) == [("a", "b</w>")]
    assert learn_merges({}, 10) == []


def test_words_are_cut_as_open_clip_cuts_them():
    assert count_words(["Lion's  Mane 25"]) == {"lion": 1, "'s": 1, "mane": 1, "2": 1, "5": 1}


def test_the_written_vocabulary_round_trips_through_open_clip(tmp_path):
    merges = learn_merges(count_words(NAMES), 80)
    write_merges(merges, tmp_path / "bpe.txt.gz")
    tokenizer = SimpleTokenizer(bpe_path=str(tmp_path / "bpe.txt.gz"))
    assert tokenizer.vocab_size == vocabulary_size(len(merges))
    for name in NAMES[:4]:
        assert tokenizer.decode(tokenizer.encode(name)).strip() == name.lower()
    assert len(tokenizer.encode("Panthera")) == 1  # the most frequent word has become one token
    assert len(tokenizer.encode("xylophone")) > 4  # one never seen falls back to bytes


def test_texts_are_padded_to_the_context_length_and_marked_at_both_ends(tmp_path):
    write_merges([("l", "i")], tmp_path / "bpe.txt.gz")
    tokens = load_tokenizer(tmp_path / "bpe.txt.gz", 8)(["lion"])
    n = vocabulary_size(1)
    assert tokens.shape == (1, 8)
    assert tokens[0, 0] == n - 2
    assert (tokens[0] == n - 1).nonzero().tolist() == [[4]]  # start, li, o, n</w>, end


def test_the_same_merges_give_the_same_bytes(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_merges([("a", "b"), ("c", "d</w>")], tmp_path / name)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
