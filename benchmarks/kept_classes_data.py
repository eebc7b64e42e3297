"""``PYTHON benchmarks/kept_classes_data.py PLACE``: what Kishu's list downloads, made here, and small.

Run by the Python that has the libraries, which find it where ``settings`` say. Tables have random contents, models
random weights: what is tried is whether their classes come back.
"""

from __future__ import annotations

import csv
import pickle
import random
import sys
from pathlib import Path

_PENGUINS = 344
_TIPS = 244
_HOUSES = 1000
_COMMIT = "0" * 40
_DISTILLED = ("distilbert-base-uncased", "distilbert/distilbert-base-uncased-finetuned-sst-2-english")
_REVISIONS = ("main", "af0f99b")
"""The second one is which a pipeline without a name takes."""
_WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "i", "love", "using", "hugging", "face", "!", ".")


def settings(place: Path) -> dict[str, str]:
    """What a process needs in its environment to find what is made in ``place``."""
    return {
        "SEABORN_DATA": str(place / "seaborn"),
        "SCIKIT_LEARN_DATA": str(place / "scikit-learn"),
        "XDG_CACHE_HOME": str(place / "cache"),
        "HF_HOME": str(place / "hugging-face"),
        "HF_HUB_OFFLINE": "1",
    }


def _seaborn(place: Path) -> None:
    place.mkdir(parents=True)
    chance = random.Random(1)
    species = {"Adelie": "Torgersen", "Chinstrap": "Dream", "Gentoo": "Biscoe"}
    penguins = []
    for _ in range(_PENGUINS):
        kind = chance.choice([*species])
        lengths = [round(chance.uniform(15, 60), 1) for _ in ("bill", "depth")]
        weights = [chance.randint(170, 230), chance.randint(2700, 6300)]
        penguins.append([kind, species[kind], *lengths, *weights, chance.choice(["Male", "Female"])])
    columns = ["species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex"]
    _table(place / "penguins.csv", columns, penguins)
    tips = []
    for _ in range(_TIPS):
        who = [chance.choice(["Male", "Female"]), chance.choice(["Yes", "No"])]
        when = [chance.choice(["Thur", "Fri", "Sat", "Sun"]), chance.choice(["Lunch", "Dinner"])]
        tips.append([round(chance.uniform(3, 50), 2), round(chance.uniform(1, 10), 2), *who, *when, 2])
    _table(place / "tips.csv", ["total_bill", "tip", "sex", "smoker", "day", "time", "size"], tips)


def _table(path: Path, columns: list[str], lines: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *lines])


def _scikit_learn(place: Path) -> None:
    import joblib  # noqa: PLC0415 - of that Python
    import numpy as np  # noqa: PLC0415 - likewise

    place.mkdir(parents=True)
    joblib.dump(np.random.default_rng(1).uniform(1, 5, (_HOUSES, 9)), place / "cal_housing_py3.pkz")


def _scipy(place: Path) -> None:
    """The picture itself: SciPy 1.10 has it, and asks for another form of the same."""
    import numpy as np  # noqa: PLC0415 - likewise
    from scipy import misc  # noqa: PLC0415 - likewise

    place.mkdir(parents=True)
    told = pickle.loads((Path(misc.__file__).parent / "ascent.dat").read_bytes())
    (place / "ascent.dat").write_bytes(pickle.dumps(np.array(told, "u1"), 4))


def _hugging_face(place: Path) -> None:
    """A tokenizer of a few words and models of a few weights, where the library keeps what it has fetched."""
    from transformers import (  # noqa: PLC0415 - likewise
        BertConfig,
        BertTokenizer,
        DistilBertConfig,
        DistilBertForSequenceClassification,
        DistilBertTokenizer,
    )

    words = place / "vocab.txt"
    place.mkdir(parents=True)
    words.write_text("\n".join(_WORDS))
    bert = _fetched(place, "bert-base-uncased")
    BertTokenizer(str(words)).save_pretrained(bert)
    BertConfig(vocab_size=len(_WORDS)).save_pretrained(bert)
    small = DistilBertConfig(vocab_size=len(_WORDS), dim=16, hidden_dim=32, n_layers=1, n_heads=2)
    for name in _DISTILLED:
        snapshot = _fetched(place, name)
        DistilBertForSequenceClassification(small).save_pretrained(snapshot)
        DistilBertTokenizer(str(words)).save_pretrained(snapshot)


def _fetched(place: Path, name: str) -> Path:
    """Where the library looks for the files of a model that it has fetched."""
    kept = place / "hub" / f"models--{name.replace('/', '--')}"
    (kept / "refs").mkdir(parents=True)
    for revision in _REVISIONS:
        (kept / "refs" / revision).write_text(_COMMIT)
    snapshot = kept / "snapshots" / _COMMIT
    snapshot.mkdir(parents=True)
    return snapshot


def main() -> None:
    """Make all that can be made, and say what can not."""
    place = Path(sys.argv[1])
    there = settings(place)
    for name, make, where in (
        ("seaborn", _seaborn, Path(there["SEABORN_DATA"])),
        ("scikit-learn", _scikit_learn, Path(there["SCIKIT_LEARN_DATA"])),
        ("scipy", _scipy, Path(there["XDG_CACHE_HOME"]) / "scipy-data"),
        ("transformers", _hugging_face, Path(there["HF_HOME"])),
    ):
        try:
            make(where)
        except Exception as error:  # noqa: BLE001 - whatever that library lacks
            sys.stderr.write(f"{name}: nothing was made for it: {type(error).__name__}: {error}\n")


if __name__ == "__main__":
    main()
