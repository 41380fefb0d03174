from pathlib import Path

from setuptools import find_packages, setup

EXTRAS = {
    "quantization": ["bitsandbytes>=0.46"],
    "app": ["gradio>=6.31"],
    "serving": ["transformers[serving]"],
    "wordnet": ["nltk>=3.8"],
    "test": [
        "pytest>=8.0",
        "pytest-xdist>=3.6",
        "scikit-learn>=1.5",
        "ruff>=0.12",
        # Transformers' own common testers import these.
        "parameterized>=0.9",
        "pillow>=10.0",
    ],
}

setup(
    name="listen-audio",
    version="0.1.0",
    description="LISTEN: audio large language models that know what they do not hear",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["modeling_listen", "recipes", "recipes.*"]),
    include_package_data=True,
    package_data={"recipes": ["**/*.json", "**/*.yaml", "**/*.md", "**/*.jinja", "**/*.html", "**/*.safetensors"]},
    install_requires=[
        "torch>=2.6",
        "transformers>=5.20",
        "huggingface_hub>=1.0",
        "accelerate>=1.10",
        "datasets>=4.0",
        "evaluate>=0.4.3",
        "peft>=0.17",
        "jinja2>=3.1",
        "matplotlib>=3.8",
        "numpy>=1.26",
        "openai>=1.60",
        "pyyaml>=6.0",
        "soundfile>=0.12",
        "soxr>=0.5",
        "tqdm>=4.66",
    ],
    extras_require=EXTRAS | {"all": sorted({package for extra in EXTRAS.values() for package in extra})},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Multimedia :: Sound/Audio",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
