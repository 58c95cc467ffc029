"""Stage 3: text and pictures together. The picture tower is frozen; the text side learns to meet it.

    python clip.py [--seconds 480]

Three text encoders learn at once: the scoring CLIP's, and the two of the pipeline. Each meets the tower's embedding
(contrastive, with captions that are true of another picture of the batch masked out) and says which values its
caption names (cross-entropy). The UNet starts from encoders that already know every word of the world.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPTokenizer

import training
from nets import POOLED, Tower, text_config, text_encoder, text_encoder_2
from transformers import CLIPTextModelWithProjection
from world import BY_VALUE, DATA, GROUPS, LABELS, SLICES, VALUES, Batches, World, random_caption, seeded

UNSAID = -1


class Head(nn.Module):
    """From the tower's 1,024 features and its attribute logits to the shared space."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(1024 + LABELS, 256)
        self.projection = nn.Linear(256, POOLED)

    def forward(self, features):
        return self.projection(F.relu(self.hidden(features)))


def clip_text():
    """Text half of the scoring CLIP."""
    return CLIPTextModelWithProjection(text_config(128, 3, 4, "quick_gelu"))


class Texts(nn.Module):
    """The three encoders with the heads that only training needs."""

    def __init__(self):
        super().__init__()
        self.score, self.first, self.second = clip_text(), text_encoder(), text_encoder_2()
        self.first_projection = nn.Linear(96, POOLED, bias=False)
        self.words = nn.ModuleList([nn.Linear(POOLED, LABELS) for _ in range(3)])
        self.states = nn.ModuleList([nn.Linear(96, LABELS), nn.Linear(160, LABELS)])
        self.scale = nn.Parameter(torch.tensor([2.7, 2.7, 2.7]))

    def forward(self, ids_1, ids_2, score_only=False):
        """Three embeddings, and logits of the values named: three from embeddings, two from penultimate states."""
        if score_only:
            embedding = self.score(ids_1).text_embeds
            return [embedding], [self.words[0](embedding)]
        first = self.first(ids_1, output_hidden_states=True)
        second = self.second(ids_2, output_hidden_states=True)
        embeddings = [self.score(ids_1).text_embeds, self.first_projection(first.pooler_output), second.text_embeds]
        ends = (ids_2 == 2047).int().argmax(1)
        rows = torch.arange(len(ends))
        named = [head(e) for head, e in zip(self.words, embeddings)]
        named += [self.states[0](first.hidden_states[-2][rows, ends]), self.states[1](second.hidden_states[-2][rows, ends])]
        return embeddings, named


def truth(world, rows, named):
    """`(captions, pictures)`: whether caption j says nothing untrue of picture i, diagonal excluded."""
    labels = world.labels[rows]
    said = torch.full_like(labels, UNSAID)
    for row, groups in enumerate(named):
        for group in groups:
            column = GROUPS.index(group)
            said[row, column] = labels[row, column]
    agrees = (said[:, None, :] == labels[None, :, :]) | (said[:, None, :] == UNSAID)
    same_kind = (labels[:, None, 0] >= 0) == (labels[None, :, 0] >= 0)
    true = agrees.all(-1) & same_kind
    true.fill_diagonal_(False)
    return said, true


def naming(logits, said):
    """Cross-entropy over the values that captions name."""
    total, count = 0.0, 0
    for column, group in enumerate(GROUPS):
        known = said[:, column] >= 0
        if known.any():
            total = total + F.cross_entropy(logits[known][:, SLICES[group]], said[known, column], reduction="sum")
            count += int(known.sum())
    return total / max(1, count)


def prompts_of(group, value):
    """Zero-shot prompts of a value, as the world's captions would say it."""
    words = BY_VALUE[group][value]
    room = group in ("guests", "bed", "wall", "window", "lamp", "plant", "picture", "rug")
    subject = "a hotel room" if room else "a man"
    phrases = [words["clip"], *words["tags"]]
    out = [f"{subject}, {phrase}" for phrase in phrases]
    if group == "style":
        out += [f"a hotel room, {phrase}" for phrase in phrases]
    return out


@torch.no_grad()
def zero_shot(embed_text, tokenizer, images, world):
    """Accuracy per group of the nearest prompt, for normalised picture embeddings."""
    scores = {}
    for column, group in enumerate(GROUPS):
        table = []
        for value in VALUES[group]:
            ids = tokenizer(prompts_of(group, value), padding="max_length", return_tensors="pt").input_ids
            table.append(F.normalize(F.normalize(embed_text(ids), dim=-1).mean(0), dim=-1))
        labels = world.labels[: len(images), column]
        known = labels >= 0
        best = (images[known] @ torch.stack(table).T).argmax(1)
        scores[group] = (best == labels[known]).float().mean().item()
    return scores


def asked(texts, tokenizer, images, labels, groups):
    """Cross-entropy of the values that the zero-shot prompts of some groups name, for normalised picture embeddings."""
    loss = 0.0
    for column in groups:
        known = labels[:, column] >= 0
        if not known.any():
            continue
        prompts = [prompts_of(GROUPS[column], value) for value in VALUES[GROUPS[column]]]
        ids = tokenizer(sum(prompts, []), padding="longest", return_tensors="pt").input_ids
        embedded = F.normalize(texts.score(ids).text_embeds.float(), dim=-1).split([len(p) for p in prompts])
        table = torch.stack([F.normalize(rows.mean(0), dim=-1) for rows in embedded])
        logits = texts.scale[0].clamp(max=4.6).exp() * images[known] @ table.T
        loss = loss + F.cross_entropy(logits, labels[known, column])
    return loss / len(groups)


@torch.no_grad()
def retrieval(embed_text, tokenizer, images, world, count=1000):
    """R@1 from full caption to picture and back; equal scenes (same attributes) count as right."""
    captions = [record["full_caption"] for record in world.records[:count]]
    texts = []
    for start in range(0, count, 100):
        ids = tokenizer(captions[start:start + 100], padding="max_length", truncation=True, return_tensors="pt").input_ids
        texts.append(F.normalize(embed_text(ids), dim=-1))
    similar = torch.cat(texts) @ images[:count].T
    keys = {}
    scene = torch.tensor([keys.setdefault(caption, len(keys)) for caption in captions])
    to_picture = (scene[similar.argmax(1)] == scene).float().mean().item()
    to_text = (scene[similar.argmax(0)] == scene).float().mean().item()
    return to_text, to_picture


@torch.no_grad()
def renormalise(head, old_centre, old_spread, centre, spread):
    """The same head for features that are normalised by `centre` and `spread` instead of the old ones."""
    plain = head.hidden.weight / old_spread
    head.hidden.bias += plain @ (centre - old_centre)
    head.hidden.weight.copy_(plain * spread)


def features(tower, world):
    """Everything the head sees, for every picture of a set."""
    out = []
    with torch.no_grad():
        for start in range(0, len(world), 100):
            seen = tower.features(world.pictures(range(start, min(start + 100, len(world)))))
            out.append(torch.cat([seen, tower.layers[-1](seen)], 1))
    return torch.cat(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--pictures", type=int, default=16000)
    parser.add_argument("--short", type=float, default=0.35)
    parser.add_argument("--again", action="store_true", help="goes on from a finished run, scoring text half only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seed = training.SEED + 20
    torch.manual_seed(seed)
    rng = seeded(seed)
    train, held = World("train", options.pictures), World("held", 1000)
    tower = Tower(LABELS, norm=False).eval()
    tower.load_state_dict(training.load("tower")["folded"])
    first = CLIPTokenizer.from_pretrained(DATA / "tokenizer")
    second = CLIPTokenizer.from_pretrained(DATA / "tokenizer_2")
    if (path := DATA / f"features-{len(train)}.pt").exists():
        cached = torch.load(path)
    else:
        cached = features(tower, train)
        torch.save(cached, path)
    held_features = features(tower, held)
    spread, centre = cached.std(0).clamp_min(1e-3), cached.mean(0)
    texts, head = Texts(), Head()
    parameters = [*texts.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.02)
    step, used = 0, 0.0
    if (state := training.load("clip")) is not None and (options.again or not state["done"]):
        texts.load_state_dict(state["texts"])
        head.load_state_dict(state["head"])
        renormalise(head, state["centre"], state["spread"], centre, spread)
        if "optimizer" in state:
            optimizer.load_state_dict(state["optimizer"])
        step, used = state["step"], state["used"]
    clock, shown = training.Clock(used), time.monotonic()
    batches = Batches(len(train), options.batch, seed + step)

    def scores():
        texts.eval()
        images = F.normalize(head((held_features - centre) / spread), dim=-1)
        shot = zero_shot(lambda ids: texts.score(ids).text_embeds, first, images, held)
        found = retrieval(lambda ids: texts.score(ids).text_embeds, first, images, held)
        texts.train()
        return shot, found

    def keep(done):
        shot, found = scores()
        training.save("clip", texts=texts.state_dict(), head=head.state_dict(), optimizer=optimizer.state_dict(),
                      step=step, used=clock.used(), done=done, zero_shot=shot, retrieval=found, centre=centre, spread=spread)
        return shot, found

    while (done := clock.used() / options.seconds) < 1:
        rows = next(batches)
        # A third of the captions name one to three things only: zero-shot prompts are as short as that.
        counts = [rng.randrange(1, 4) if rng.random() < options.short else None for _ in rows]
        pairs = [random_caption(train.records[int(row)], rng, count) for row, count in zip(rows, counts)]
        captions = [caption for caption, _ in pairs]
        said, others = truth(train, rows, [named for _, named in pairs])
        # Trailing padding beyond the longest caption is cut: pads come after the end and cannot change it.
        ids_1 = first(captions, padding="longest", truncation=True, return_tensors="pt").input_ids
        ids_2 = second(captions, padding="longest", truncation=True, return_tensors="pt").input_ids
        with torch.autocast("cpu", torch.bfloat16):
            embeddings, said_logits = texts(ids_1, ids_2, options.again)
            seen = head((cached[rows] - centre) / spread)
        images = F.normalize(seen.float(), dim=-1)
        loss, target = 0.0, torch.arange(len(rows))
        for index, embedding in enumerate(embeddings):
            logits = texts.scale[index].clamp(max=4.6).exp() * F.normalize(embedding.float(), dim=-1) @ images.T
            logits = logits.masked_fill(others, -1e4)
            loss = loss + 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))
        contrast = loss.item() / len(embeddings)
        if options.again:
            # Six groups a step, the two that are told apart worst always among them.
            hard = [GROUPS.index("accessories"), GROUPS.index("age")]
            groups = hard + rng.sample([i for i in range(len(GROUPS)) if i not in hard], 4)
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss + 2 * asked(texts, first, images, train.labels[rows], groups)
        naming_loss = sum(naming(n.float(), said) for n in said_logits)
        (loss + naming_loss).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = training.flat_then_linear(done, 1.5e-3 * min(1, (step + 1) / 100), tail=0.6)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        if time.monotonic() - shown > 60:
            shown = time.monotonic()
            shot, found = keep(False)
            print(f"clip step {step} {clock.used():.0f} s contrast {contrast:.3f} naming {naming_loss.item() / len(said_logits):.3f} "
                  f"R@1 {found[0]:.3f} {found[1]:.3f} " + " ".join(f"{g}:{s:.2f}" for g, s in shot.items()), flush=True)
    shot, found = keep(True)
    print(f"clip done, {step} steps, R@1 {found[0]:.3f} {found[1]:.3f}", {g: round(s, 3) for g, s in shot.items()})


if __name__ == "__main__":
    main()
