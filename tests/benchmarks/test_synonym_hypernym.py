import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from recipes.annotations import AnnotationError
from recipes.benchmarks import build_synonym_hypernym_terms, load_benchmark
from recipes.benchmarks.synonym_hypernym import TERMS, Lexicon, draw_terms

EVAL_HEADER = "fname,labels,mids\n"


@pytest.fixture(scope="module")
def terms():
    return json.loads(TERMS.read_text(encoding="utf-8"))


class TestTerms:
    def test_every_class_is_in_the_map(self, terms, shared_data):
        with (shared_data / "annotations" / "esc50" / "esc50.csv").open() as file:
            assert {row["category"] for row in csv.DictReader(file)} == set(terms["classes"]["esc50"])
        with (shared_data / "annotations" / "fsd50k" / "vocabulary.csv").open() as file:
            vocabulary = {row[1] for row in csv.reader(file)}
        leaves, parents = terms["classes"]["fsd50k"], terms["classes"]["fsd50k_parents"]
        assert vocabulary == {*leaves, *parents}
        assert set(leaves).isdisjoint(parents)

    def test_leaves_have_no_child_in_the_vocabulary(self, terms, shared_data):
        ontology = json.loads((shared_data / "annotations" / "audioset" / "ontology.json").read_text())
        children = {entry["id"]: entry["child_ids"] for entry in ontology}
        with (shared_data / "annotations" / "fsd50k" / "vocabulary.csv").open() as file:
            names = {row[2]: row[1] for row in csv.reader(file)}

        def below(mid):
            return {mid for child in children[mid] for mid in ({child} | below(child))}

        assert {name for mid, name in names.items() if not below(mid) & set(names)} == set(terms["classes"]["fsd50k"])

    def test_every_esc50_class_has_terms(self, terms):
        assert all(entry["terms"] for entry in terms["classes"]["esc50"].values())

    def test_songbird_is_a_chordate(self, terms):
        """The one question that the paper shows."""
        found = {each["term"]: each for each in terms["classes"]["esc50"]["chirping_birds"]["terms"]}
        assert found["chordate"]["relation"] == "hypernym"
        assert found["chordate"]["depth"] == 5
        assert found["songbird"]["relation"] == "synonym"

    def test_siren_is_no_nymph(self, terms):
        found = {each["term"] for each in terms["classes"]["esc50"]["siren"]["terms"]}
        assert {"acoustic device", "warning device"} <= found
        assert not found & {"nymph", "woman", "amphibian"}

    def test_terms_follow_the_synsets(self, terms):
        """Each term is a word for its synset, which is the class' own or above it."""
        for section in ("esc50", "fsd50k"):
            lexicon = Lexicon(section)
            for entry in filter(None, terms["classes"][section].values()):
                own = entry["synsets"][0]
                for term in entry["terms"]:
                    assert term["term"] in terms["synsets"][term["synset"]]["lemmas"]
                    assert term["synset"] in lexicon.above(own)
                    assert (term["relation"] == "synonym") == (term["synset"] == own) == (term["depth"] == 0)

    def test_made_by_the_script(self, tmp_path):
        wordnet = pytest.importorskip("nltk").corpus.wordnet
        try:
            wordnet.get_version()
        except LookupError:
            pytest.skip("needs NLTK's WordNet 3.0")
        build_synonym_hypernym_terms.main(["--output", str(tmp_path / "terms.json")])
        assert (tmp_path / "terms.json").read_bytes() == TERMS.read_bytes()


class TestESC50:
    @pytest.fixture
    def questions(self, shared_data):
        return load_benchmark("synonym_hypernym", shared_data / "annotations" / "esc50")

    def test_balance(self, questions):
        share = Counter(questions["answer"])["yes"] / len(questions)
        assert 0.39 < share < 0.41
        assert set(questions["relation"]) == {"synonym", "hypernym"}
        assert set(questions["label"]) == set(Lexicon("esc50")._leaves)

    def test_no_answer_contradicts_the_map(self, questions, terms):
        lexicon = Lexicon("esc50")
        for each in questions.to_list():
            meanings = set(terms["classes"]["esc50"][each["label"]]["synsets"])
            above = set().union(*(lexicon.above(meaning) for meaning in meanings))
            if each["answer"] == "yes":
                assert each["synset"] in above
            else:
                assert each["synset"] not in above
                assert not lexicon.above(each["synset"]) & meanings
            relation = "a type of" if each["relation"] == "hypernym" else "a synonym of"
            assert each["question"].endswith(f"that is {relation} {each['term']}?")

    def test_no_question_twice_on_a_clip(self, questions):
        asked = defaultdict(list)
        for each in questions.to_list():
            asked[each["audio"]["path"]].append(each["question"])
        assert len(asked) == 2000
        assert all(len(set(each)) == len(each) for each in asked.values())

    def test_terms_do_not_give_the_answer_away(self, questions):
        """Drawn class first, a term's frequency among the no questions is near that among the yes questions."""
        counts = Counter(
            (each["term"], each["answer"]) for each in questions.to_list() if each["relation"] == "hypernym"
        )
        for term in ("chordate", "vertebrate", "device", "vehicle"):
            yes, no = counts[term, "yes"], counts[term, "no"]
            assert 0.2 < yes / (yes + no) < 0.8, term

    def test_real_recordings(self, shared_data):
        questions = load_benchmark("synonym_hypernym", shared_data / "esc10", missing_audio="error")
        assert len({audio["path"] for audio in questions["audio"]}) == 320
        assert all(Path(audio["path"]).is_file() for audio in questions["audio"])

    def test_unknown_class(self, tmp_path):
        (tmp_path / "esc50.csv").write_text("filename,category\na.wav,unicorn\n")
        with pytest.raises(AnnotationError, match="line 2: 'unicorn' is no class of esc50"):
            load_benchmark("synonym_hypernym", tmp_path)


class TestFSD50K:
    def load(self, folder, *rows):
        (folder / "eval.csv").write_text(EVAL_HEADER + "".join(f'{name},"{labels}",""\n' for name, labels in rows))
        return load_benchmark("synonym_hypernym", folder, "fsd50k")

    def test_real_rows(self, shared_data, tmp_path):
        text = (shared_data / "annotations" / "fsd50k" / "eval.head.csv").read_text()
        (tmp_path / "eval.csv").write_text(text)
        questions = load_benchmark("synonym_hypernym", tmp_path, "fsd50k")
        assert set(questions["label"]) == {"Electric_guitar"}
        assert questions[0]["seed"] == "Electric guitar; Guitar; Plucked string instrument; Musical instrument; Music"
        # Of the six, those in which one also strums, claps or starts a motorcycle are left out.
        assert {Path(audio["path"]).name for audio in questions["audio"]} == {"37199.wav", "175151.wav", "337898.wav"}

    def test_parents_are_not_denied(self, tmp_path):
        rows = [(str(number), "Bark,Dog,Domestic_animals_and_pets,Animal,Vehicle") for number in range(40)]
        questions = self.load(tmp_path, *rows)
        denied = {each["term"] for each in questions.to_list() if each["answer"] == "no"}
        assert not denied & {"vehicle", "motor vehicle", "car", "truck", "transport", "animal", "bird"}
        assert denied & {"musical instrument", "container", "plumbing fixture", "tableware"}

    def test_unmapped_classes_give_no_questions(self, tmp_path):
        questions = self.load(tmp_path, ("1", "Hiss"), ("2", "Meow,Cat,Animal"), ("3", "Hiss,Meow,Cat"))
        assert {audio["path"].rpartition("/")[2] for audio in questions["audio"]} == {"2.wav"}

    def test_unknown_class(self, tmp_path):
        with pytest.raises(AnnotationError, match="line 2: 'Unicorn' is no class"):
            self.load(tmp_path, ("1", "Meow,Unicorn"))


def test_draws_depend_on_the_seed_only():
    lexicon = Lexicon("esc50")
    assert list(draw_terms(lexicon, ["dog"], "x")) == list(draw_terms(Lexicon("esc50"), ["dog"], "x"))
    assert list(draw_terms(lexicon, ["dog"], "x")) != list(draw_terms(lexicon, ["dog"], "y"))
