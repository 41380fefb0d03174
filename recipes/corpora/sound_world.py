"""The sound world: synthetic clips with captions and tags, rendered where they are asked for."""

from collections.abc import Iterator
from pathlib import Path

from recipes.annotations import AnnotationError, read_json_lines
from recipes.corpora.base import Clip, CorpusBuilder, Coverage
from recipes.miniature.clips import cache_folder, render_split
from recipes.miniature.world import CLIP_SECONDS

NUM_CLIPS = {"train": 3000, "dev": 400, "test": 400}


class SoundWorld(CorpusBuilder):
    """One seed per clip: its caption, which names every event; the classes are its tags.

    `train`, `dev` and `test` are disjoint, and disjoint from the clips on which the miniature's encoder was trained.
    Rendering takes about 15 ms a clip and is done once.

    Args:
        data_dir: where the clips are, or go; a folder in the cache of `datasets` by default.
        split: as for every corpus.
        num_clips: clips in each split instead of 3000, 400 and 400; of two numbers, the smaller gives the first
            clips of the greater.
        options: as for every corpus.
    """

    CORPUS = "sound_world"
    DESCRIPTION = "Five-second synthetic scenes of 32 event classes."
    HOMEPAGE = ""
    LICENSE = "Apache-2.0"
    CITATION = ""
    ANNOTATIONS = {split: (f"{split}/clips-*.jsonl",) for split in NUM_CLIPS}

    def __init__(
        self, data_dir: str | Path | None = None, split: str | None = None, num_clips: int | None = None, **options
    ) -> None:
        if num_clips is not None and num_clips < 1:
            raise AnnotationError(f"num_clips is {num_clips}; at least 1 is needed")
        self.num_clips = num_clips
        super().__init__(data_dir, split, **options)

    def usable(self, data_dir: str | Path | None) -> Path:
        """The folder of the clips, made if it is not there."""
        folder = Path(data_dir or cache_folder()).expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def present_splits(self) -> list[str]:
        """All splits: what is not there yet is rendered."""
        return list(NUM_CLIPS)

    def annotations(self, split: str) -> Path:
        """The list of a split's clips, which are rendered if they are not there."""
        return render_split(split, self.num_clips or NUM_CLIPS[split], self.data_dir)

    def audio_folders(self, split: str) -> list[str]:
        """The split's folder."""
        return [split]

    def read_clips(self, annotations: Path, split: str, coverage: Coverage) -> Iterator[Clip]:
        """Rows of `file`, `caption` and `tags`."""
        for where, row in read_json_lines(annotations):
            key = Path(row["file"]).stem
            yield Clip(
                key=key,
                where=where,
                names=[row["file"]],
                captions=[(key, row["caption"])],
                tags=row["tags"],
                seconds=CLIP_SECONDS,
            )
