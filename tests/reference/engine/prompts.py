#!/usr/bin/env python3
"""Makes tests/fixtures/prompts: weighted and long prompts, and what diffusers draws when it is given their embeddings.

usage: prompts.py [OUT_DIR]   (diffusers 0.42.1, transformers 5.23, torch 2.15; about one minute on one core)

  cases.json            prompts, how each is split into weighted stretches, and tokens of each chunk
  cases.safetensors     for each case `N.picture` and `N.latents` of three steps with guidance

The rules are written out here, not taken from a program: brackets (`stretches`), chunks of 75 tokens with a start and an end
each (`chunks`), states times weights without any normalisation, pooled text of the first chunk, and empty chunks after the
shorter of prompt and negative prompt (`encode`).
"""
import json, pathlib, re, sys
import numpy as np, torch
import diffusers
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import save_file

torch.set_num_threads(1)
diffusers.logging.set_verbosity_error()
FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES / "prompts"
BREAK = "BREAK"


def stretches(prompt):
    """`[(text, weight)]`, with `(BREAK, None)` between chunks; neighbours of the same weight are one."""
    found, open_brackets, place = [], [], 0   # found: [text, factors]

    def close(kind, factor):
        start = next((s for k, s in reversed(open_brackets) if k == kind), None)
        if start is None:
            return False
        index = max(i for i, (k, _) in enumerate(open_brackets) if k == kind)
        open_brackets.pop(index)
        for item in found[start:]:
            item[1].append(factor)
        return True

    while place < len(prompt):
        c = prompt[place]
        number = re.compile(r":\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*\)").match(prompt, place)
        if c == "\\":
            escaped = prompt[place + 1 : place + 2]
            taken = bool(escaped) and escaped in "()[]\\"
            found.append([escaped if taken else "", []])
            place += 2 if taken else 1
        elif c in "([":
            open_brackets.append((c, len(found)))
            place += 1
        elif c == ":" and number and close("(", float(number.group(1))):
            place = number.end()
        elif (c == ")" and close("(", 1.1)) or (c == "]" and close("[", 1 / 1.1)):
            place += 1
        elif c in ")]:":
            end = number.end() if number else place + 1
            found.append([prompt[place:end], []])
            place = end
        else:
            end = next((i for i in range(place, len(prompt)) if prompt[i] in "\\()[]:"), len(prompt))
            for i, text in enumerate(re.split(r"\s*\bBREAK\b\s*", prompt[place:end])):
                if i:
                    found.append([None, []])
                found.append([text, []])
            place = end
    for kind, start in open_brackets:
        for item in found[start:]:
            item[1].append(1.1 if kind == "(" else 1 / 1.1)
    merged = []
    for text, factors in found:
        weight = float(np.prod(factors)) if factors else 1.0
        if text is None:
            merged.append([BREAK, None])
        elif merged and merged[-1][1] is not None and abs(merged[-1][1] - weight) < 1e-12:
            merged[-1][0] += text
        else:
            merged.append([text, weight])
    return merged or [["", 1.0]]


def chunks(tokenizer, parts):
    """Lists of `(token, weight)`, at most 75 long."""
    lists, fresh = [[]], False
    for text, weight in parts:
        if weight is None:
            if fresh:
                lists.append([])
            fresh = True
            continue
        for token in tokenizer(text, add_special_tokens=False).input_ids:
            if fresh or len(lists[-1]) == 75:
                lists.append([])
            fresh = False
            lists[-1].append((token, weight))
    return lists


def encode(pipe, parts, count):
    """States `(1, 77 count, width)` and pooled text."""
    states, pooled = [], None
    for tokenizer, encoder in ((pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)):
        lists = chunks(tokenizer, parts)
        lists += [[]] * (count - len(lists))
        rows = []
        for tokens in lists:
            ids = [tokenizer.bos_token_id] + [t for t, _ in tokens] + [tokenizer.eos_token_id]
            weights = torch.ones(77)
            weights[1 : 1 + len(tokens)] = torch.tensor([w for _, w in tokens])
            output = encoder(torch.tensor([ids + [tokenizer.pad_token_id] * (77 - len(ids))]), output_hidden_states=True)
            rows.append(output.hidden_states[-2] * weights[None, :, None])
            if encoder is pipe.text_encoder_2 and pooled is None:
                pooled = output.text_embeds
        states.append(torch.cat(rows, 1))
    return torch.cat(states, 2), pooled


LONG = "a very detailed painting of a narrow orange hat on a long blue road, " * 6
CASES = [
    ("a photo of an orange hat", None), ("a photo of an (orange) hat", None), ("a ((very (bright:1.4))) [orange [hat]]", "[[blurry]], (dark:1.3)"),
    ("a (photo: 0.7) of \\(an\\) hat", ""), ("портрет (девушки:1.25) в [синем] платке", "(қара:1.5)"), (LONG, None), (LONG + "(end:1.5)", "short"),
    ("short", LONG), ("red hat BREAK (blue:1.2) road", ""), ("BREAK a BREAK BREAK b", "x"), ("a (b c", "a) b] :1.2)"), ("(half)word (a:-0.5) b", None),
    ("(" + LONG + ":1.1) BREAK tail", "(" + LONG[:200] + ":0.8)"), ("\\\\ a\\b (c:+1.) 12:30", None), ("hat " * 75, "hat " * 76),
]


@torch.no_grad()
def main():
    OUT.mkdir(parents=True, exist_ok=True)
    pipe = StableDiffusionXLPipeline.from_pretrained(FIXTURES / "pipelines/tiny-sdxl", add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    listed, tensors = [], {}
    for number, (prompt, negative) in enumerate(CASES):
        parts = stretches(prompt)
        negative_parts = None if negative is None else stretches(negative)
        lists = [chunks(pipe.tokenizer, p) for p in (parts, negative_parts) if p is not None]
        count = max(map(len, lists))
        states, pooled = encode(pipe, parts, count)
        if negative_parts is None:
            negative_states, negative_pooled = torch.zeros_like(states), torch.zeros_like(pooled)
        else:
            negative_states, negative_pooled = encode(pipe, negative_parts, count)
        steps = []
        images = pipe(prompt_embeds=states, pooled_prompt_embeds=pooled, negative_prompt_embeds=negative_states, negative_pooled_prompt_embeds=negative_pooled,
                      num_inference_steps=3, guidance_scale=5.0, width=32, height=40, generator=torch.Generator().manual_seed(number), output_type="np",
                      callback_on_step_end=lambda p, i, t, k: steps.append(k["latents"].clone()) or k).images
        tensors[f"{number}.picture"] = torch.from_numpy(np.ascontiguousarray((images[0] * 255).round().astype("uint8")))
        tensors[f"{number}.latents"] = steps[-1].contiguous()
        listed.append(dict(prompt=prompt, negative_prompt=negative, seed=number, parts=parts, chunks=[len(tokens) for tokens in lists[0]]))
        print(number, count, parts[:4])
    (OUT / "cases.json").write_text(json.dumps(listed, ensure_ascii=False, indent=0) + "\n")
    save_file(tensors, OUT / "cases.safetensors")


if __name__ == "__main__":
    main()
