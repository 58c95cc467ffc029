#!/usr/bin/env python3
"""Makes tests/fixtures/tokenizer: token ids of about a thousand strings by transformers' CLIPTokenizer.

usage: tokenizer.py [BPE_FILE]   (transformers 5.23, tokenizers 0.23)

BPE_FILE is bpe_simple_vocab_16e6.txt.gz as the wheel of open_clip_torch carries it (MIT licence); without it the merges
written before are taken. The vocabularies:
  full    all merges of CLIP; `vocab.json` is left out, since it follows from the merges
  small   the 1,500 most frequent merges, in several layouts of files, each with its own special tokens
"""
import gzip, json, pathlib, random, sys, tempfile
from transformers import CLIPTokenizer

OUT = pathlib.Path(__file__).parents[2] / "fixtures/tokenizer"
START, END = "<|startoftext|>", "<|endoftext|>"


def byte_alphabet():
    bs = list(range(ord("!"), ord("~") + 1)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    cs, n = bs[:], 0
    for b in range(256):
        if b not in bs:
            bs.append(b)
            cs.append(256 + n)
            n += 1
    return [chr(c) for c in cs]


LINES = gzip.open(sys.argv[1]).read().decode("utf-8") if len(sys.argv) > 1 else (OUT / "merges.txt").read_text()
MERGES = [tuple(line.split()) for line in LINES.split("\n")[1 : 49152 - 256 - 2 + 1]]


def vocabulary(merges):
    single = byte_alphabet()
    pieces = single + [p + "</w>" for p in single] + ["".join(m) for m in merges] + [START, END]
    return {piece: i for i, piece in enumerate(pieces)}


def token(content, normalized=True, **more):
    return {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False, **more}


def strings():
    r = random.Random(20240521)
    fixed = [
        "", " ", "\n", "a", "!", "a photo of an astronaut riding a horse on mars", "A PHOTO, of   a CAT!!", "it's they'll we've I'm you'd don't they're THEY'RE",
        "''s 's' !'s 'S 'Ll", "1234567890 3.14 1,000 ½ Ⅷ ٣ 一二三", "портрет казахской девушки в национальном костюме", "Әлемдегі ең әдемі қыз, ақ көйлек киген",
        "ә ғ қ ң ө ұ ү һ і Ә Ғ Қ Ң Ө Ұ Ү Һ І", "Шымкент — қала; Түркістан облысы!", "Алдар Көсе ат үстінде, дала, күн батып барады", "🐴🎨 👩‍🚀 🇰🇿 ❤️ 👨‍👩‍👧‍👦 text🙂text",
        "cafe\u0301 café CAFÉ Ångström ﬁ ﬂ ǅ ß ẞ İstanbul ı", "tab\tnew\nline\r\nnbsp\u00a0thin\u2009zero\u200bwidth ideographic\u3000space\u2028sep\u2029par\x85nel",
        "control\x00\x01\x1f\x7f chars \x1c\x1d\x1e\x0b\x0c end", "\ufeffbom", "mixed漢字かなカナ한국어ไทยعربيעבריתहिन्दी", "underscore_and-hyphen/slash\\back", "(masterpiece:1.2), [bad], {x|y}",
        "<|startoftext|> in text <|endoftext|> here", "<|STARTOFTEXT|>x<|EndOfText|>", "<|endoftext|><|endoftext|>", "<|endoftext|", "a<|endoftext|>b", "!!! ! !a a! ?!?",
        "x" * 300, "аәб" * 60, "word " * 100, "9" * 120, "!" * 90, "é" * 100, "🙂" * 40, "https://example.org/a?b=c&d=e#f", "4k, 8k, uhd, f/1.8, iso 100, 85mm", "e\u0301\u0323 q\u0307\u0323", "①② ™ © ® № § €",
        "\ud7a3\u1100\u1161\u11a8 각", "a\u0300\u0301\u0302", "Ꙗ ѣ Ѳ ѵ", "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 𝟙𝟚𝟛", "ʼn ʻokina O’Brien it’s ‘quoted’", "…—–-", "don''t can'tt 'tis 'twas", "a's b't c're d've e'm f'll g'd", "ΑΣ ΑΣΑ σς", "\u0130\u0131", "l'été qu'il",
    ]
    words = ("a the of in portrait photo painting girl boy horse steppe yurt mountain lake apple red blue green golden hour cinematic lighting highly detailed 8k masterpiece "
             "жылқы дала киіз үй тау көл алма қызыл көк жасыл алтын батыр қыз бала портрет фотография рисунок девушка мальчик лошадь степь горы озеро яблоко красный синий "
             "hat scarf moustache goatee topknot orange robe round face narrow eyes thin smile pastel outline night flat hotel room bed window lamp plant rug").split()
    marks = [", ", " ", "  ", ". ", "! ", " - ", "; ", ": ", "\n", "\t", "\u00a0", " 🙂 ", "'s ", "\u3000"]
    pools = ["abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщъыьэюяәғқңөұүһі", "0123456789", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "ÀÉÎÕÜßçñøžŁőİı", "漢字仮名交文한국어", "\u0301\u0323\u0308\u200d\ufe0f", "🙂🐴🎨🇰🇿👩🚀", " \t\n\u00a0\u2003"]
    while len(fixed) < 500:
        text = ""
        for _ in range(r.randint(1, 24)):
            word = r.choice(words)
            text += r.choice([word, word.capitalize(), word.upper()]) + r.choice(marks)
        fixed.append(text)
    while len(fixed) < 1000:
        text = "".join(r.choice(r.choice(pools)) for _ in range(r.randint(1, 40)))
        fixed.append(text)
    return fixed


# name -> (merges, tokenizer_config or None, special_tokens_map or None, saved by transformers as tokenizer.json)
TOKEN_1 = {"bos_token": token(START), "eos_token": token(END), "pad_token": END, "unk_token": token(END)}
TOKEN_2 = {"bos_token": token(START), "eos_token": token(END), "pad_token": "!", "unk_token": token(END)}
LAYOUTS = {
    "full": (MERGES, {"model_max_length": 77}, TOKEN_1, False),
    "small_sdxl_2": (MERGES[:1500], {"model_max_length": 77, "add_prefix_space": False, "errors": "replace", "bos_token": {"__type": "AddedToken", **token(START)}}, TOKEN_2, False),
    "small_bare": (MERGES[:1500], None, None, False),
    "small_listed": (MERGES[:1500], {"model_max_length": 48, "pad_token": "!", "bos_token": START, "eos_token": END, "unk_token": END, "added_tokens_decoder": {
        "0": token("!", False, special=True), "2012": token(START, True, special=True), "2013": token(END, False, special=True),
        "2014": {**token("<aldar>", False, special=False), "rstrip": True, "lstrip": True}, "2015": {**token("kose", True, special=False), "single_word": True}}}, None, False),
    "small_new_pad": (MERGES[:1500], {"pad_token": "<pad>", "model_max_length": 20}, None, False),
    "small_json": (MERGES[:1500], {"model_max_length": 77}, TOKEN_2, True),
}


def main():
    texts = strings()
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "strings.json").write_text(json.dumps(texts) + "\n")
    (OUT / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in MERGES) + "\n")
    for name, (merges, config, special, resave) in LAYOUTS.items():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "vocab.json").write_text(json.dumps(vocabulary(merges)))
            (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n")
            if config is not None:
                (folder / "tokenizer_config.json").write_text(json.dumps(config))
            if special is not None:
                (folder / "special_tokens_map.json").write_text(json.dumps(special))
            tokenizer = CLIPTokenizer.from_pretrained(folder)
            files = {"tokenizer_config.json": json.dumps(config) if config is not None else None, "special_tokens_map.json": json.dumps(special) if special is not None else None, "tokenizer.json": None}
            if resave:
                with tempfile.TemporaryDirectory() as again:
                    tokenizer.save_pretrained(again)
                    saved = {p.name: p.read_text() for p in pathlib.Path(again).iterdir()}
                    assert set(saved) == {"tokenizer.json", "tokenizer_config.json"}, set(saved)
                    files = {**saved, "special_tokens_map.json": None}
                    tokenizer = CLIPTokenizer.from_pretrained(again)
        length = min(tokenizer.model_max_length, 77)
        # Most strings as they are; every twentieth also cut and padded.
        ids = [tokenizer(t, add_special_tokens=False).input_ids for t in texts]
        every = 1 if name == "full" else 4
        padded = {str(i): tokenizer(texts[i], padding="max_length", max_length=length, truncation=True).input_ids for i in range(0, 80, 4)}
        out = {"merges": len(merges), "files": files, "length": length, "stated_length": tokenizer.model_max_length if tokenizer.model_max_length < 1 << 20 else None,
               "every": every, "ids": ids[::every], "padded": padded}
        (OUT / f"{name}.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
        print(name, len(ids[::every]), tokenizer.pad_token_id)


main()
