"""Stage 0: writes both tokenizers into the data folder: `python words_tokenizer.py bpe_simple_vocab_16e6.txt.gz`.

The merges come from the `open_clip_torch` wheel on PyPI (`open_clip/bpe_simple_vocab_16e6.txt.gz`, MIT licence).
"""

import sys

import tokenizer
from world import DATA, vocabulary_text

if __name__ == "__main__":
    vocab, merges = tokenizer.prune(sys.argv[1], vocabulary_text())
    tokenizer.write(DATA / "tokenizer", vocab, merges, tokenizer.END)
    tokenizer.write(DATA / "tokenizer_2", vocab, merges, "!")
    print(len(vocab), "tokens,", len(merges), "merges")
