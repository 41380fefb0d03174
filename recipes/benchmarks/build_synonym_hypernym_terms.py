"""Makes `synonym_hypernym_terms.json`, from which the synonym and hypernym test asks, out of WordNet 3.0.

    python -m recipes.benchmarks.build_synonym_hypernym_terms

The classes' synsets come from the hand-made `synonym_hypernym_synsets.yaml`. NLTK must find WordNet 3.0 (`pip install
listen-audio[wordnet]`, then `python -m nltk.downloader wordnet`). Where nothing can be downloaded, Debian's packages
`wordnet-base` and `wordnet-sense-index` hold its files in /usr/share/wordnet: copy them (no links) to
`corpora/wordnet/` below a folder of NLTK_DATA and add the file `lexnames`: for each line of the table in the manual
page lexnames(5), its number, name and part of speech (1 noun, 2 verb, 3 adjective, 4 adverb), separated by tabs.

What becomes a term. Synonyms: the lemmas of the class' synset. Hypernyms: for each synset above it but the most
general ones, the first lemma, with the shortest distance as depth. A lemma that first means something else (`can` for
a toilet) is left out, and so is one that the class' name holds.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from recipes.command_line import option, parse_options

SYNSETS = Path(__file__).with_name("synonym_hypernym_synsets.yaml")
TERMS = Path(__file__).with_name("synonym_hypernym_terms.json")

# Lexicographer files whose synsets are things that can be touched.
OBJECTS = frozenset(
    {"noun.animal", "noun.artifact", "noun.body", "noun.food", "noun.object", "noun.person", "noun.plant"}
    | {"noun.possession", "noun.substance"}
)
SECTIONS = ("esc50", "fsd50k", "fsd50k_parents")


@dataclass
class Options:
    """Where the terms go."""

    output: str = option(str(TERMS), "the JSON file to write")


def build_terms(mapping: dict[str, Any]) -> dict[str, Any]:
    """The content of the terms' file.

    Args:
        mapping: the content of the map.

    Returns:
        `wordnet` (its version), `vague` (as in the map), `classes` (for each section and class: `kind`, `synsets`,
        `terms`; null where the map has null) and `synsets` (for each synset that is named, and for those above it,
        those directly `above` and its `lemmas`).
    """
    from nltk.corpus import wordnet

    classes: dict[str, dict[str, Any]] = {}
    synsets: dict[str, dict[str, list[str]]] = {}
    for section in SECTIONS:
        classes[section] = {}
        for label, listed in mapping[section].items():
            if listed is None:
                classes[section][label] = None
                continue
            names = [synset for each in listed for synset in mapping["groups"].get(each, [each])]
            own = [wordnet.synset(each) for each in names]
            classes[section][label] = {
                "kind": "object" if own[0].lexname() in OBJECTS else "other",
                "synsets": list(dict.fromkeys(each.name() for each in own)),
                "terms": [] if section == "fsd50k_parents" else _terms(own[0], label, mapping),
            }
            waiting = own
            while waiting:
                synset = waiting.pop()
                above = synset.hypernyms() + synset.instance_hypernyms()
                lemmas = [lemma.replace("_", " ") for lemma in synset.lemma_names()]
                synsets[synset.name()] = {"above": sorted(each.name() for each in above), "lemmas": lemmas}
                waiting += [each for each in above if each.name() not in synsets]
    return {
        "wordnet": wordnet.get_version(),
        "vague": mapping["vague"],
        "classes": classes,
        "synsets": dict(sorted(synsets.items())),
    }


def _terms(synset: Any, name: str, mapping: dict[str, Any]) -> list[dict[str, Any]]:
    distances = synset.hypernym_distances()
    left_out = {mapping["not_meant"].get(above.name()) for above, _ in distances} | set(mapping["general"])
    found = [(lemma, "synonym", 0, synset) for lemma in _lemmas(synset)]
    for above, depth in sorted(distances, key=lambda pair: (pair[1], pair[0].name())):
        if depth and above.name() not in left_out:
            found += [(lemma, "hypernym", depth, above) for lemma in _lemmas(above)[:1]]
    terms, named = [], {*_words(name), "".join(_words(name))}
    for lemma, relation, depth, meaning in found:
        words = _words(lemma)
        said = set(words) <= named or "".join(words) in named
        if lemma not in mapping["unfit"] and not said and lemma not in [each["term"] for each in terms]:
            terms.append({"term": lemma, "relation": relation, "depth": depth, "synset": meaning.name()})
    return terms


def _lemmas(synset: Any) -> list[str]:
    """The synset's lemmas that mean it before anything else."""
    from nltk.corpus import wordnet

    lemmas = synset.lemma_names()
    return [lemma.replace("_", " ") for lemma in lemmas if wordnet.synsets(lemma, pos="n")[0] == synset]


def _words(name: str) -> list[str]:
    """The words of a name, without the s of plurals."""
    return [word.removesuffix("s") for word in re.split(r"[^a-z]+", name.lower()) if word]


def _dump(value: Any, levels: int = 3) -> str:
    """JSON with one line for each class and each synset, so that a change can be read."""
    if levels == 0 or not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    entries = (f"{json.dumps(key)}: {_dump(each, levels - 1)}" for key, each in value.items())
    return "{\n" + ",\n".join(entries) + "\n}"


def main(argv: list[str] | None = None) -> None:
    """Write the terms."""
    (options,) = parse_options(Options, description=__doc__, argv=argv)
    try:
        terms = build_terms(yaml.safe_load(SYNSETS.read_text(encoding="utf-8")))
    except (ImportError, LookupError, OSError) as error:
        raise SystemExit(f"NLTK with WordNet 3.0 is needed; see --help ({error})") from None
    Path(options.output).write_text(_dump(terms) + "\n", encoding="utf-8")
    for section, names in terms["classes"].items():
        count = sum(len(each["terms"]) for each in names.values() if each)
        print(f"{section}: {len(names)} classes, {count} terms")


if __name__ == "__main__":
    main()
