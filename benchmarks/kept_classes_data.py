"""``PYTHON benchmarks/kept_classes_data.py PLACE``: what Kishu's list downloads, made here, and small.

Run by the Python that has the libraries, which find it where ``settings`` say. Tables have random contents:
what is tried is whether their classes come back.
"""

from __future__ import annotations

import csv
import random
import sys
from pathlib import Path

_PENGUINS = 344
_TIPS = 244
_HOUSES = 1000
_COMMIT = "0" * 40
_WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "i", "love", "using", "hugging", "face", "!", ".")


def settings(place: Path) -> dict[str, str]:
    """What a process needs in its environment to find what is made in ``place``."""
    return {
        "SEABORN_DATA": str(place / "seaborn"),
        "SCIKIT_LEARN_DATA": str(place / "scikit-learn"),
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


def _hugging_face(place: Path) -> None:
    """A tokenizer of a few words, where the library keeps what it has fetched."""
    from transformers import BertConfig, BertTokenizer  # noqa: PLC0415 - likewise

    kept = place / "hub" / "models--bert-base-uncased"
    snapshot = kept / "snapshots" / _COMMIT
    snapshot.mkdir(parents=True)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(_COMMIT)
    words = place / "vocab.txt"
    words.write_text("\n".join(_WORDS))
    BertTokenizer(str(words)).save_pretrained(snapshot)
    BertConfig(vocab_size=len(_WORDS)).save_pretrained(snapshot)


def main() -> None:
    """Make all that can be made, and say what can not."""
    place = Path(sys.argv[1])
    there = settings(place)
    for name, make, where in (
        ("seaborn", _seaborn, Path(there["SEABORN_DATA"])),
        ("scikit-learn", _scikit_learn, Path(there["SCIKIT_LEARN_DATA"])),
        ("transformers", _hugging_face, Path(there["HF_HOME"])),
    ):
        try:
            make(where)
        except Exception as error:  # noqa: BLE001 - whatever that library lacks
            sys.stderr.write(f"{name}: nothing was made for it: {type(error).__name__}: {error}\n")


if __name__ == "__main__":
    main()
