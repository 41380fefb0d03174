"""Publish a trained model: adapter, code, processor and card. Needs `hf auth login` and your consent.

python examples/push_to_hub.py runs/demo/model your-name/listen-demo --results runs/demo/results.json \\
    --system "LISTEN positive+negative"

Others then load it with AutoModel.from_pretrained("your-name/listen-demo", trust_remote_code=True). Backbones of the
Hub are named; those in a folder of yours are published too.
"""

import argparse
import tempfile
from pathlib import Path

from huggingface_hub import HfApi

from modeling_listen import ListenForConditionalGeneration, ListenProcessor
from recipes.command_line import errors_as_messages
from recipes.model_card import write_model_card

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", type=Path, help="of a trained model")
parser.add_argument("repository", help="your-name/its-name")
parser.add_argument("--results", help="results.json of an evaluation of it, for its card")
parser.add_argument("--system", help="its name in the results, where there are several")
parser.add_argument("--private", action="store_true")
arguments = parser.parse_args()

with errors_as_messages(resumes="nothing is published"):
    card = write_model_card(arguments.folder, arguments.results, arguments.system, arguments.repository)
    model = ListenForConditionalGeneration.from_pretrained(arguments.folder)
    processor = ListenProcessor.from_pretrained(arguments.folder)
names = (model.config.audio_model_id, model.config.text_model_id)
include_backbones = any(name is None or Path(name).is_dir() for name in names)

with tempfile.TemporaryDirectory() as folder:
    model.save_pretrained(folder, include_backbones=include_backbones)
    processor.save_pretrained(folder)
    Path(folder, "README.md").write_bytes(card.read_bytes())
    try:
        HfApi().create_repo(arguments.repository, private=arguments.private, exist_ok=True)
        commit = HfApi().upload_folder(repo_id=arguments.repository, folder_path=folder)
    except Exception as error:  # of the Hub's, or of whichever HTTP library its client uses
        remedy = "Is there internet, and are you logged in (`hf auth login`) with a token that may write?"
        raise SystemExit(f"{arguments.repository} is not published: {error}\n{remedy}") from error
print(commit)
