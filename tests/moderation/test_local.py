"""Models in the hub's format as filters, with tiny random weights."""

from pathlib import Path

import numpy as np
import pytest
from patterns import patterns

from safelight.errors import EngineError
from safelight.moderation import Category, Moderator, NsfwClassifier, PromptRules
from safelight.moderation.local import LocalPictures, LocalWords, read_labels

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

PICTURE = patterns()["sunset"]
LABELS = {0: "nsfw", 1: "normal"}


def save_pictures(folder: Path, labels: dict[int, str], bias: float) -> Path:
    """A vision transformer whose first label is as likely as the bias says."""
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        image_size=32, patch_size=16, id2label=labels, label2id={v: k for k, v in labels.items()},
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config)
    favour(model.classifier, bias)
    model.save_pretrained(folder)
    size = {"height": 32, "width": 32}
    transformers.ViTImageProcessor(size=size).save_pretrained(folder)
    return folder


def save_words(folder: Path, labels: dict[int, str], bias: float) -> Path:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    config = transformers.BertConfig(
        vocab_size=4, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32,
        id2label=labels, label2id={v: k for k, v in labels.items()},
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    favour(model.classifier, bias)
    model.save_pretrained(folder)
    words = Tokenizer(WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2, "cat": 3}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
    ).save_pretrained(folder)
    return folder


def favour(head: "torch.nn.Linear", bias: float) -> None:
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
        head.bias[0] = bias


@pytest.mark.parametrize(
    ("bias", "strict", "minors", "category"),
    [
        (3.0, False, False, Category.SEXUAL),
        (-3.0, True, True, None),
        (-0.5, False, False, None),  # a probability of 0.38
        (-0.5, True, False, Category.SEXUAL),
        (-0.5, False, True, Category.MINORS),
        (float("nan"), False, False, Category.SEXUAL),
    ],
)
def test_a_picture_model_judges_by_its_labels(
    tmp_path: Path, bias: float, strict: bool, minors: bool, category: Category | None
) -> None:
    model = LocalPictures(save_pictures(tmp_path, LABELS, bias), {})
    model.load()
    assert model.judge(PICTURE, strict=strict, minors=minors).category is category


def test_a_prompt_model_judges_by_labels_of_the_operators_choice(tmp_path: Path) -> None:
    folder = save_words(tmp_path, {0: "TOXIC", 1: "fine"}, 3.0)
    model = LocalWords(folder, read_labels(["toxic=hate"]))
    model.load()
    assert model.judge("a cat " * 100, strict=False).category is Category.HATE


def test_the_end_of_a_prompt_that_is_longer_than_a_model_reads_is_judged_too(
    tmp_path: Path,
) -> None:
    folder = save_words(tmp_path, {0: "toxic", 1: "fine"}, 0.0)
    notice(folder, "cat", beside="a")
    model = LocalWords(folder, read_labels(["toxic=hate"]))
    model.load()
    assert model.judge("a " * 25, strict=True).allowed
    assert model.judge("a a a a a. " * 20, strict=True).allowed
    assert model.judge("a a a a a. " * 20 + "cat", strict=False).category is Category.HATE


def notice(folder: Path, word: str, beside: str) -> None:
    """Teach a stored model that its first label is about this word."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        seen = [
            model.bert(**tokenizer(text, return_tensors="pt")).pooler_output[0]
            for text in (word, " ".join([beside] * 20))
        ]
        apart = seen[0] - seen[1]
        model.classifier.weight[0] = apart * 20 / apart.square().sum()
        model.classifier.bias[0] = -(model.classifier.weight[0] @ (seen[0] + seen[1]) / 2)
    model.save_pretrained(folder)


def test_it_stands_beside_the_built_in_filters(tmp_path: Path) -> None:
    model = LocalPictures(save_pictures(tmp_path, LABELS, 3.0), {})
    moderator = Moderator([PromptRules()], [NsfwClassifier(), model])
    assert moderator.check_picture(PICTURE).category is Category.SEXUAL


@pytest.mark.parametrize("labels", [{0: "dog", 1: "cat"}, None])
def test_a_model_that_says_nothing_of_safety_or_is_not_there_lets_nothing_pass(
    tmp_path: Path, labels: dict[int, str] | None
) -> None:
    folder = tmp_path if labels is None else save_pictures(tmp_path, labels, 0.0)
    moderator = Moderator([PromptRules()], [LocalPictures(folder, {})])
    with pytest.raises(EngineError):
        moderator.check_picture(np.zeros((32, 32, 3), np.uint8))


def test_a_label_that_means_no_category_is_an_error() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        read_labels(["toxic=nonsense"])
