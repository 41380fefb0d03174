"""The embedded default: a procedural sound world and small backbones of the real classes, made here."""

from pathlib import Path

BACKBONES = Path(__file__).parent / "backbones"
AUDIO_MODEL = str(BACKBONES / "whisper")  # a Whisper checkpoint for 5 s windows
TEXT_MODEL = str(BACKBONES / "llama")  # a Llama that has read about the sound world
OTHER_TEXT_MODEL = str(BACKBONES / "llama_other")  # one that went on from it in other words
ADAPTERS = Path(__file__).parent / "adapters"  # positive_negative and positive_positive, trained for the page
