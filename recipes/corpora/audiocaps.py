"""AudioCaps: human captions of AudioSet clips."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.annotations import AnnotationError, read_csv, seconds_of, text_of
from recipes.corpora.audioset import youtube_id, youtube_names
from recipes.corpora.base import CorpusBuilder
from recipes.corpora.clips import Clip, Coverage

CLIP_SECONDS = 10


def _places(name: str) -> tuple[str, ...]:
    return tuple(f"{folder}{name}.csv" for folder in ("dataset/", "csv_files_v1/", "csv_files_v2/", "csv_files/", ""))


class AudioCaps(CorpusBuilder):
    """One seed per caption: one for each training clip, five for each clip of the other splits.

    Splits: `train` (49,838 clips), `validation` (495 clips, 2,475 captions), `test` (975 clips, 4,875 captions).
    Version 2 of the annotations has the same columns.
    """

    CORPUS = "audiocaps"
    DESCRIPTION = "Human captions of ten-second AudioSet clips."
    HOMEPAGE = "https://github.com/cdjkim/audiocaps"
    LICENSE = "MIT, academic use only; the recordings belong to their uploaders"
    CITATION = """@inproceedings{kim2019audiocaps,
  title = {{AudioCaps}: Generating captions for audios in the wild},
  author = {Kim, Chris Dongjoo and Kim, Byeongchang and Lee, Hyunmin and Kim, Gunhee},
  booktitle = {Proc. NAACL-HLT},
  year = {2019}
}"""
    ROOTS = ("AUDIOCAPS", "audiocaps")
    ANNOTATIONS = {"train": _places("train"), "validation": _places("val"), "test": _places("test")}
    ALIASES = {"paper": ("train",), "val": ("validation",)}

    def audio_folders(self, split: str) -> list[str]:
        """`audio_32000Hz/<split>`, `audio/<split>`, `<split>`, `audio` or the folder itself."""
        official = "val" if split == "validation" else split
        below = [f"{folder}{name}" for name in dict.fromkeys((official, split)) for folder in ("audio/", "wav/", "")]
        return [f"audio_32000Hz/{official}", *below, "audio", "wav", ""]

    def read_clips(self, annotations: Path, split: str, coverage: Coverage) -> Iterator[Clip]:
        """Rows `audiocap_id,youtube_id,start_time,caption`; the captions of a clip are far apart in the file."""
        clips: dict[tuple[str, str], Clip] = {}
        lines: dict[str, str] = {}
        for where, row in read_csv(annotations, ("audiocap_id", "youtube_id", "start_time", "caption")):
            if not (video := youtube_id(row["youtube_id"], where, coverage)):
                continue
            clip = self._clip(row["audiocap_id"], video, row["start_time"], row["caption"], where)
            [(identifier, _)] = clip.captions
            if lines.setdefault(identifier, where) != where:
                raise AnnotationError(
                    f"{where}: the audiocap_id {identifier!r} is there twice; it is in {lines[identifier]} as well"
                )
            clips.setdefault((video, row["start_time"]), clip)
            if (first := clips[video, row["start_time"]]) is not clip:
                first.captions += clip.captions
                first.names += [name for name in clip.names if name not in first.names]
        yield from clips.values()

    def mirror_clip(self, row: dict[str, Any], where: str) -> Clip:
        """d0rj/audiocaps (text only), jp1924/AudioCaps, OpenSound/AudioCaps: the official columns."""
        return self._clip(str(row["audiocap_id"]), row["youtube_id"], row["start_time"], row["caption"], where)

    def _clip(self, identifier: str, video: str, start: Any, caption: str, where: str) -> Clip:
        identifier = text_of(identifier, "audiocap_id", where)
        start = seconds_of(start, "start_time", where)
        return Clip(
            key=identifier,
            where=where,
            names=[f"{video}_{start:g}", *youtube_names(video, start, start + CLIP_SECONDS), identifier],
            captions=[(identifier, text_of(caption, "caption", where))],
        )
