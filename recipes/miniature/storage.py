"""Writing backbones in half precision."""

import json
from pathlib import Path


def save_half(model, folder: Path) -> None:
    """Write a model in float16 with a configuration that has it loaded in float32; it is left as it is stored."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    model.float()
