"""LISTEN in lmms-eval: its audio benchmarks, answered by a checkpoint of yours.

pip install lmms-eval
python examples/lmms_eval_listen.py --model listen --model_args pretrained=runs/demo/model --tasks clotho_aqa \
    --batch_size 8

All other options are those of lmms-eval. A package of your own announces the model with an entry point of the group
`lmms_eval.models` instead, which gives MANIFEST; `lmms-eval --model listen` then knows it.
"""

from typing import Any

import torch
from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from lmms_eval.models.registry_v2 import ModelManifest
from tqdm import tqdm

from modeling_listen import ListenForConditionalGeneration, ListenProcessor

MANIFEST = ModelManifest("listen", simple_class_path="lmms_eval_listen.Listen")


class Listen(lmms):
    """A checkpoint of LISTEN, as lmms-eval asks it.

    Args:
        pretrained: folder or Hub id.
        device: such as cuda:0 or cpu; a GPU where there is one.
        batch_size: requests that are answered at once.
    """

    def __init__(self, pretrained: str, device: str | None = None, batch_size: int = 1, **_: Any):
        super().__init__()
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model = ListenForConditionalGeneration.from_pretrained(pretrained, dtype="auto").to(device).eval()
        self.processor = ListenProcessor.from_pretrained(pretrained)
        self.batch_size = int(batch_size)

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Responses to requests of context, generation options, and what finds their recordings."""
        answers = []
        for start in tqdm(range(0, len(requests), self.batch_size), desc="LISTEN", unit="batch"):
            batch = [request.args for request in requests[start : start + self.batch_size]]
            options = [dict(each[1]) for each in batch]
            if all(each == options[0] for each in options):
                answers += self._generate([(each[0], self._clips(*each[2:])) for each in batch], options[0])
            else:
                for each, own in zip(batch, options, strict=True):
                    answers += self._generate([(each[0], self._clips(*each[2:]))], own)
        for request, answer in zip(requests, answers, strict=True):
            self.cache_hook.add_partial("generate_until", request.args[:2], answer)
        return answers

    def _generate(self, prompts: list[tuple[str, list]], options: dict[str, Any]) -> list[str]:
        until = options.pop("until", [])
        options = {"max_new_tokens": 256, "do_sample": bool(options.get("temperature")), **options}
        if not options["do_sample"]:
            options = {name: value for name, value in options.items() if name not in ("temperature", "top_p", "top_k")}
        inputs = self.processor([clips for _, clips in prompts], [question for question, _ in prompts])
        inputs = inputs.to(self.model.device)
        output = self.model.generate(**inputs, **options)[:, inputs["input_ids"].shape[1] :]
        answers = self.processor.batch_decode(output, skip_special_tokens=True)
        for stop in [until] if isinstance(until, str) else until:
            answers = [answer.split(stop)[0] if stop else answer for answer in answers]
        return answers

    @torch.no_grad()
    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Loss of each continuation, which lmms-eval takes the least of, and whether it is the greedy one."""
        results = []
        for request in tqdm(requests, desc="LISTEN", unit="continuation"):
            context, target, *source = request.args
            target = target if isinstance(target, str) else target(self._document(*source[1:]))
            inputs = self.processor([self._clips(*source)], [context], response=[target.strip()])
            labels = inputs.pop("labels").to(self.model.device)
            logits = self.model(**inputs.to(self.model.device)).logits[:, :-1].float()
            answered = labels[:, 1:] != -100
            scores, wanted = logits[answered].log_softmax(-1), labels[:, 1:][answered]
            chosen = scores.gather(-1, wanted[:, None])
            results.append((-chosen.sum().item(), bool((scores.argmax(-1) == wanted).all())))
        return results

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Refused: LISTEN is trained on single questions."""
        raise ValueError("LISTEN answers single questions; leave out tasks of several rounds")

    def _document(self, index: int, task: str, split: str) -> dict[str, Any]:
        return self.task_dict[task][split][index]

    def _clips(self, find: Any, index: int, task: str, split: str) -> list[dict[str, Any]]:
        """The recordings of a request, as arrays with their sampling rates."""
        found = find(self._document(index, task, split))
        return [{"array": clip["array"], "sampling_rate": clip["sampling_rate"]} for clip in found]


if __name__ == "__main__":
    from lmms_eval.__main__ import cli_evaluate
    from lmms_eval.models import MODEL_REGISTRY_V2

    MODEL_REGISTRY_V2.register_manifest(MANIFEST)
    cli_evaluate()
