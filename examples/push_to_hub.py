"""Publish a trained model: the adapter, the code, the processor. Needs `hf auth login` and your consent.

python examples/push_to_hub.py runs/demo/model your-name/listen-demo --include-backbones

Others then load it with AutoModel.from_pretrained("your-name/listen-demo", trust_remote_code=True). Backbones that
live on the Hub need not be repeated; those in a folder of your own must be.
"""

import argparse

from modeling_listen import ListenForConditionalGeneration, ListenProcessor

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder")
parser.add_argument("repository")
parser.add_argument("--include-backbones", action="store_true")
parser.add_argument("--private", action="store_true")
arguments = parser.parse_args()

model = ListenForConditionalGeneration.from_pretrained(arguments.folder)
processor = ListenProcessor.from_pretrained(arguments.folder)
backbones = arguments.include_backbones or None
model.push_to_hub(arguments.repository, private=arguments.private, include_backbones=backbones)
processor.push_to_hub(arguments.repository, private=arguments.private)
