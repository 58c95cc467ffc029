"""CLIP's own byte-pair merges, pruned: lesson words split as real CLIP splits them, any other text still splits."""

import gzip
import json
import re
from pathlib import Path

SIZE = 2048
START, END = "<|startoftext|>", "<|endoftext|>"


def bytes_to_unicode():
    """The printable stand-in of each byte, in CLIP's order."""
    kept = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    table = {byte: chr(byte) for byte in kept}
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + sum(1 for value in table.values() if ord(value) >= 256))
    return table


def _apply(word, ranks, used):
    parts = [*word[:-1], word[-1] + "</w>"]
    while len(parts) > 1:
        pairs = [(ranks.get(pair, len(ranks)), pair) for pair in zip(parts, parts[1:])]
        rank, best = min(pairs)
        if rank == len(ranks):
            break
        used.add(best)
        merged, index = [], 0
        while index < len(parts):
            if tuple(parts[index:index + 2]) == best:
                merged.append("".join(best))
                index += 2
            else:
                merged.append(parts[index])
                index += 1
        parts = merged


def prune(merges_gz, texts):
    """`(vocab, merges)`: the merges that `texts` need, then the most frequent ones, to 2,048 tokens in all."""
    lines = gzip.open(merges_gz).read().decode("utf-8").split("\n")[1:49152 - 256 - 2 + 1]
    merges = [tuple(line.split()) for line in lines]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    used = set()
    for word in sorted(set(re.findall(r"[a-z]+", " ".join(texts).lower()))):
        _apply(word, ranks, used)
    room = SIZE - 512 - 2
    chosen, known = [], set(bytes_to_unicode().values())
    known |= {char + "</w>" for char in known}
    rest = iter(pair for pair in merges if pair not in used)
    chosen = set(used)
    made = known | {"".join(pair) for pair in chosen}
    while len(chosen) < room:
        pair = next(rest)
        if pair[0] in made and pair[1] in made:
            chosen.add(pair)
            made.add("".join(pair))
    kept = [pair for pair in merges if pair in chosen]
    units = list(bytes_to_unicode().values())
    tokens = units + [unit + "</w>" for unit in units] + ["".join(pair) for pair in kept] + [START, END]
    assert len(tokens) == len(set(tokens)) == SIZE
    return {token: index for index, token in enumerate(tokens)}, kept


def write(folder, vocab, merges, pad):
    """A CLIPTokenizer folder that transformers opens."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    body = "\n".join(" ".join(pair) for pair in merges)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{body}\n")
    config = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, "errors": "replace",
        "bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad, "add_prefix_space": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")
