"""The data: pictures, attributes, regions and captions of the world's scenes, as drawn by its `dataset` example."""

import json
import os
import random
from pathlib import Path

import numpy as np
import torch

DATA = Path(os.environ.get("CHAPAN_PRETRAIN_DATA", "target/pretrain"))
SIZE = 128

WORDS = json.loads((DATA / "words.json").read_text())
GROUPS = list(WORDS)
VALUES = {g: [w["value"] for w in WORDS[g]["values"]] for g in GROUPS}
BY_VALUE = {g: {w["value"]: w for w in WORDS[g]["values"]} for g in GROUPS}
OFFSETS = np.cumsum([0] + [len(VALUES[g]) for g in GROUPS]).tolist()
LABELS = OFFSETS[-1]
SLICES = {g: slice(OFFSETS[i], OFFSETS[i + 1]) for i, g in enumerate(GROUPS)}


class World:
    """One drawn set: memory-mapped pictures and their records."""

    def __init__(self, name, count=None):
        prefix = DATA / name
        with open(f"{prefix}.jsonl") as lines:
            self.records = [json.loads(line) for line in lines][:count]
        pixels = np.memmap(f"{prefix}.rgb", dtype=np.uint8, mode="r")
        self.pixels = pixels.reshape(-1, SIZE, SIZE, 3)[: len(self.records)]
        # Index of each group's value, -1 where a scene has no such group.
        self.labels = torch.full((len(self.records), len(GROUPS)), -1)
        for row, record in enumerate(self.records):
            for column, group in enumerate(GROUPS):
                if group in record["attributes"]:
                    self.labels[row, column] = VALUES[group].index(record["attributes"][group])

    def __len__(self):
        return len(self.records)

    def pictures(self, indices):
        """Float pictures in -1..1, `(batch, 3, 128, 128)`, channels last in memory."""
        levels = torch.from_numpy(np.stack([self.pixels[int(i)] for i in indices]))
        return levels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)

    def caption(self, index, rng):
        """A random caption: the renderer's own, or one of `random_caption`."""
        record = self.records[int(index)]
        chance = rng.random()
        if chance < 0.15:
            return record["full_caption"]
        if chance < 0.55:
            return rng.choice(record["captions"])
        return random_caption(record, rng)[0]


def _article(noun):
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _and(items):
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def random_caption(record, rng, count=None):
    """A caption in the manner of the world's own, and the set of groups that it names."""
    groups = list(record["attributes"])
    rng.shuffle(groups)
    if count is None:
        count = len(groups) - rng.randrange(3) if rng.random() < 0.6 else 1 + rng.randrange(len(groups) - 1)
    chosen = [(g, BY_VALUE[g][record["attributes"][g]]) for g in groups[:count]]
    tagged = rng.random() < 0.4
    named = set()
    if record["kind"] == "room":
        return (_room_tags if tagged else _room_sentence)(chosen, named, rng), named
    return (_portrait_tags if tagged else _portrait_sentence)(chosen, named, rng), named


def _tags(subject, chosen, named, rng):
    parts = [subject]
    for group, words in chosen:
        if words["tags"]:
            named.add(group)
            parts.append(rng.choice(words["tags"] + [words["clip"]] if group != "age" else words["tags"]))
    return ", ".join(parts)


def _portrait_tags(chosen, named, rng):
    subject = rng.choice(["a man", "a man", "man", "portrait of a man", "portrait", "a person", "picture of a man"])
    return _tags(subject, chosen, named, rng)


def _room_tags(chosen, named, rng):
    subject = rng.choice(["a hotel room", "hotel room", "a room", "picture of a hotel room"])
    return _tags(subject, chosen, named, rng)


def _style(words, rng):
    return f" in {rng.choice(words['with'])}" if rng.random() < 0.4 else f", {rng.choice(words['tags'])}"


def _portrait_sentence(chosen, named, rng):
    adjectives, nouns, clauses, place, style = [], [], [], "", ""
    for group, words in chosen:
        if group == "style":
            style = _style(words, rng)
        elif group == "background":
            place = f" {rng.choice(words['with'])}" if rng.random() < 0.55 else f", {rng.choice(words['tags'])}"
        elif group == "clothing":
            clauses.append(f"{rng.choice(['wearing', 'in', 'dressed in'])} {rng.choice(words['with'])}")
        elif group == "age" and words["value"] != "old":
            continue
        elif words["adjectives"] and not words["with"]:
            adjectives.append(rng.choice(words["adjectives"]))
        elif not words["with"]:
            continue
        elif group == "pose":
            clauses.append(rng.choice(words["with"]))
        elif group == "accessories":
            if not words["tags"]:
                continue
            clauses.append(rng.choice(words["tags"]))
        elif words["adjectives"] and len(adjectives) < 2 and rng.random() < 0.6:
            adjectives.append(rng.choice(words["adjectives"]))
        else:
            nouns.append(rng.choice(words["with"]))
        named.add(group)
    adjectives.sort(key=lambda word: word == "old")
    subject = _article(" ".join([*adjectives, rng.choice(["man", "man", "man", "person"])]))
    text = rng.choice([f"a portrait of {subject}", f"a picture of {subject}", subject, subject, subject])
    if nouns:
        text += f" with {_and(nouns)}"
    for clause in clauses:
        text += f"{',' if rng.random() < 0.5 else ''} {clause}"
    return text + place + style


def _room_sentence(chosen, named, rng):
    subject, guests, nouns, style = rng.choice(["hotel room", "hotel room", "room", "bedroom"]), "", [], ""
    for group, words in chosen:
        if not (words["adjectives"] or words["with"]):
            continue
        named.add(group)
        if group == "style":
            style = _style(words, rng)
        elif group == "guests" and (not words["with"] or words["adjectives"] and rng.random() < 0.5):
            subject = f"{rng.choice(words['adjectives'])} {subject}"
        elif group == "guests":
            guests = f" {rng.choice(words['with'])}"
        else:
            nouns.append(rng.choice(words["with"]))
    text = _article(subject)
    if rng.random() < 0.25:
        text = f"a picture of {text}"
    return text + guests + (f" with {_and(nouns)}" if nouns else "") + style


def vocabulary_text():
    """Every phrase that a caption may hold: the tokenizer keeps all merges that these need."""
    text = ["a man portrait of a man picture of a person hotel room bedroom with wearing dressed in and, an the",
            "aldar kose hero photo of style drawing background sks tok chapan kazakh steppe almaty astana"]
    for group in GROUPS:
        for words in WORDS[group]["values"]:
            text += [words["clip"], words["value"], *words["with"], *words["adjectives"], *words["tags"]]
    return text


class Batches:
    """Endless shuffled batches of indices from one seed."""

    def __init__(self, count, size, seed):
        self.count, self.size = count, size
        self.rng = np.random.default_rng(seed)
        self.order = np.empty(0, dtype=np.int64)

    def __next__(self):
        while len(self.order) < self.size:
            self.order = np.concatenate([self.order, self.rng.permutation(self.count)])
        batch, self.order = self.order[: self.size], self.order[self.size:]
        return batch

    def __iter__(self):
        return self


def seeded(seed):
    """A generator of Python's for captions."""
    return random.Random(seed)
