"""Training corpora (section 4.1 of the paper) as records of seeds: captions or tags of recordings."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets

    from recipes.corpora.base import CorpusBuilder

# Builders by name, as "module:class" so that only what is used is imported.
CORPORA = {
    "audioset": "recipes.corpora.audioset:AudioSet",
    "audiocaps": "recipes.corpora.audiocaps:AudioCaps",
    "clotho": "recipes.corpora.clotho:Clotho",
    "macs": "recipes.corpora.macs:MACS",
    "fsd50k": "recipes.corpora.fsd50k:FSD50K",
    "esc50": "recipes.corpora.esc50:ESC50",
    "esc10": "recipes.corpora.esc50:ESC10",
    "urbansound8k": "recipes.corpora.urbansound8k:UrbanSound8K",
    "vocalsound": "recipes.corpora.vocalsound:VocalSound",
    "sound_world": "recipes.corpora.sound_world:SoundWorld",
    "folder": "recipes.corpora.folder:Folder",
}


def prepare_corpus(name: str, data_dir: str | Path | None = None, **options: Any) -> "CorpusBuilder":
    """Build a corpus, or find it built and unchanged in the cache.

    Args:
        name: one of `CORPORA`.
        data_dir: the folder of its annotation files and recordings.
        options: `split`, `missing_audio`, `cache_dir`; see `recipes.corpora.base.CorpusBuilder`.

    Returns:
        Its builder: `seeds()` are the records, `coverage` says what of it is on disk, `info` has license and citation.

    Raises:
        ValueError: an unknown name or option, or annotations that cannot be used; the message says what to do.
        FileNotFoundError: a recording is missing and `missing_audio` is "error".
    """
    if name not in CORPORA:
        raise ValueError(f"there is no corpus {name!r}; there are {', '.join(CORPORA)}")
    module, builder = CORPORA[name].split(":")
    corpus = getattr(import_module(module), builder)(data_dir=data_dir, **options)
    corpus.download_and_prepare()
    return corpus


def load_corpus(
    name: str,
    data_dir: str | Path | None = None,
    split: str | None = None,
    missing_audio: str = "skip",
    **options: Any,
) -> "datasets.Dataset":
    """The seeds of a corpus: one for each caption, or one for each clip that has tags.

    Args:
        name: one of `CORPORA`.
        data_dir: the folder of its annotation files and recordings, laid out as it is published.
        split: splits and parts of splits, such as "train", "train+validation", "fold1+fold2", "test[:100]", an
            official name such as "development", or "paper" for what the paper's Table 2 counts; None for all that are
            there. Percentages are of recordings, so that none is cut in two; numbers count seeds.
        missing_audio: what happens to clips whose recording is missing or unreadable: "skip" (counted and reported
            once), "keep" (the record has the path where it was expected) or "error".
        options: further options of the builder, such as `cache_dir`.

    Returns:
        Records with the columns of `recipes.records.SEED_FEATURES`, memory-mapped from the cache.

    Raises:
        ValueError: an unknown name or option, or annotations that cannot be used; the message says what to do.
        FileNotFoundError: a recording is missing and `missing_audio` is "error".
    """
    return prepare_corpus(name, data_dir, split=split, missing_audio=missing_audio, **options).seeds()


def from_mirror(
    name: str,
    mirror: "datasets.Dataset",
    data_dir: str | Path,
    split: str = "train",
    missing_audio: str = "skip",
    **options: Any,
) -> "datasets.Dataset":
    """The seeds of a corpus from one of its mirrors on the Hugging Face Hub, loaded with `datasets.load_dataset`.

    Mirrors whose columns are known: agkphysics/AudioSet; d0rj/audiocaps (text only), jp1924/AudioCaps and
    OpenSound/AudioCaps; CLAPv2/Clotho and mteb/Clotho; ashraq/esc50 and mteb/esc50, also for esc10;
    danavery/urbansound8K; flozi00/VocalSound_audio_16k and lmms-lab/vocalsound. (Fhrozen/FSD50k is a copy of the
    files: download it and use `load_corpus`.)

    Args:
        name: one of `CORPORA`.
        mirror: one split of the mirror.
        data_dir: a folder of its own. Recordings inside the mirror are written to the folder `split` in it, each once,
            so that the seeds of a clip share a file, and beside them a table for the corpus `folder`,
            `metadata.jsonl`; the recordings of a text-only mirror are looked for in both.
        split: the split that the records name.
        missing_audio: as for `load_corpus`.
        options: further options of the builder, such as `cache_dir`.

    Returns:
        Records as from `load_corpus`.

    Raises:
        ValueError: a column is missing, the audio is decoded, or a row is malformed.
    """
    from recipes.corpora.mirrors import undecoded

    options |= {"split": split, "missing_audio": missing_audio, "mirror": undecoded(mirror)}
    return prepare_corpus(name, data_dir, **options).seeds()
