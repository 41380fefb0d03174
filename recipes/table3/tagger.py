"""What the encoder itself knows: a linear tagger on its last hidden states answers the questions of existence.

It is trained on the adapters' clips and their tags. What it knows and the audio language model does not was lost on
the way into the language model.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from modeling_listen import ListenProcessor

if TYPE_CHECKING:
    import datasets

NAME = "tagger"
_EPOCHS, _BATCH, _LEARNING_RATE, _CLIPS_AT_ONCE = 30, 32, 3e-3, 50


class LinearTagger:
    """A linear layer on every position of a frozen encoder, and a soft maximum over them.

    Args:
        audio_model: folder or name of a Whisper.
        text_model: of the experiment; the processor, which reads recordings, needs one.
        seed: of the layer's initial weights and the order of clips.
    """

    def __init__(self, audio_model: str, text_model: str, seed: int = 0):
        from transformers import AutoModel

        self.processor = ListenProcessor.from_backbones(audio_model, text_model)
        self.encoder = AutoModel.from_pretrained(audio_model, dtype=torch.float32).get_encoder().eval()
        self.seed, self.tags = seed, []

    def fit(self, seeds: "datasets.Dataset") -> None:
        """Train the layer on the clips of a corpus that have tags.

        Args:
            seeds: records of `recipes.records.SEED_FEATURES`.
        """
        from tqdm import tqdm

        clips = {record["id"]: record for record in seeds if record["tags"]}
        tags = [set(record["tags"]) for record in clips.values()]
        self.tags = sorted(set().union(*tags))
        targets = torch.tensor([[float(tag in own) for tag in self.tags] for own in tags])
        states = self._encode([record["audio"] for record in clips.values()])  # (clips, positions, hidden)
        generator = torch.Generator().manual_seed(self.seed)
        torch.manual_seed(self.seed)
        self.head = torch.nn.Linear(states.shape[-1], len(self.tags))
        optimizer = torch.optim.Adam(self.head.parameters(), lr=_LEARNING_RATE)
        for _ in tqdm(range(_EPOCHS), desc="training the tagger", unit="epoch"):
            for batch in torch.randperm(len(states), generator=generator).split(_BATCH):
                logits = self._logits(states[batch])
                loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    @torch.no_grad()
    def answer(self, questions: "datasets.Dataset") -> list[Any]:
        """Answers to questions about `object`s; those that are no tags of the training clips get none."""
        from recipes.systems.base import Answer

        audio, objects = questions["audio"][:], questions["object"][:]
        recordings = {each["path"]: each for each in audio}
        scores = self._logits(self._encode(list(recordings.values()))).sigmoid()
        of_path = dict(zip(recordings, scores, strict=True))
        column = {tag: index for index, tag in enumerate(self.tags)}
        answers = []
        for each, name in zip(audio, objects, strict=True):
            if name in column:
                p_yes = float(of_path[each["path"]][column[name]])
                answers.append(Answer("Yes" if p_yes >= 0.5 else "No", p_yes))
            else:
                answers.append(Answer(None, None, f"no training clip has the tag {name}"))
        return answers

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        """Of clips `(clips, tags)`; the positions that say yes most decide."""
        positions = self.head(states)
        return torch.logsumexp(positions, dim=1) - torch.tensor(float(states.shape[1])).log() / 2

    @torch.no_grad()
    def _encode(self, recordings: Sequence[dict[str, Any]]) -> torch.Tensor:
        from tqdm import tqdm

        states = []
        for start in tqdm(range(0, len(recordings), _CLIPS_AT_ONCE), desc="encoding clips", unit="batch"):
            waveforms = [self.processor.load_audio(each) for each in recordings[start : start + _CLIPS_AT_ONCE]]
            features, windows = self.processor.extract_features(waveforms)
            encoded = self.encoder(features).last_hidden_state
            # Clips of several windows count with their first.
            firsts = torch.tensor([0, *windows[:-1]]).cumsum(0)
            states.append(encoded[firsts])
        return torch.cat(states)


def ask_tagger(
    audio_model: str, text_model: str, corpus: str, benchmarks: Sequence[str], output: Path, limit: int | None
) -> None:
    """Train the tagger, and add its answers and scores to an evaluation's output folder, unless they are there.

    Args:
        audio_model: encoder that is asked.
        text_model: of the experiment.
        corpus: specification of the training clips, as for synthesize_listen.py.
        benchmarks: specifications of questions; those without the column `object`, or about no tag, are left out.
        output: of evaluate_listen.py.
        limit: only the first so many questions of each.
    """
    from recipes.benchmarks.specification import load_specified
    from recipes.synthesize_listen import load_corpora
    from recipes.systems.results import answer_records, merge_results, score, write_records

    folder = output / "answers" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    finished = folder / "finished"
    if finished.is_file():
        return
    tagger = LinearTagger(audio_model, text_model)
    tagger.fit(load_corpora([corpus], "skip")[0])
    for questions in (load_specified(each, limit=limit) for each in benchmarks):
        if "object" not in questions.column_names or not set(questions["object"][:]) & set(tagger.tags):
            continue
        records = answer_records(questions, tagger.answer(questions), NAME)
        write_records(records, folder / f"{questions[0]['benchmark']}-{questions[0]['subset']}.parquet")
        merge_results(output, score(records))
    finished.touch()
