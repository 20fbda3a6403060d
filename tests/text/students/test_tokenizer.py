"""The word-piece tokenizer: round trip, case, length, repeatability."""

from cxrstudy.text.students.model import train_tokenizer

TEXTS = [
    "No pleural effusion. Heart size is normal.",
    "Small left pleural effusion, 1.5 cm.",
    "Cardiomegaly with interstitial edema",
]


def test_known_words_come_back():
    tokenizer = train_tokenizer(TEXTS, 300, 64)
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.cls_token_id and ids[-1] == tokenizer.sep_token_id
        assert tokenizer.unk_token_id not in ids
        decoded = tokenizer.decode(ids, skip_special_tokens=True)
        assert decoded.replace(" ", "") == text.lower().replace(" ", "")


def test_case_does_not_matter_and_new_letters_are_unknown():
    tokenizer = train_tokenizer(TEXTS, 300, 64)
    assert tokenizer("HEART")["input_ids"] == tokenizer("heart")["input_ids"]
    assert tokenizer("ж")["input_ids"][1] == tokenizer.unk_token_id


def test_long_reports_are_cut_and_keep_their_end_token():
    ids = train_tokenizer(TEXTS, 300, 8)(TEXTS[0], truncation=True)["input_ids"]
    assert len(ids) == 8
    assert ids[-1] == train_tokenizer(TEXTS, 300, 8).sep_token_id


def test_vocabulary_stays_within_its_size():
    assert len(train_tokenizer(TEXTS * 5, 100, 64)) <= 100


def test_equal_texts_give_equal_vocabularies():
    """Ties between pieces are broken alike each time, whatever the order of the texts."""
    wanted = train_tokenizer(TEXTS, 120, 64).get_vocab()
    for repeat in range(20):
        texts = TEXTS if repeat % 2 else TEXTS[::-1]
        assert train_tokenizer(texts, 120, 64).get_vocab() == wanted
