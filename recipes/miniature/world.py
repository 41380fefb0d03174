"""What exists in the sound world: event classes, their categories and names, and the scenes in which they occur."""

from dataclasses import dataclass

import numpy as np

SAMPLING_RATE = 16_000
CLIP_SECONDS = 5.0
SPLITS = ("encoder", "train", "dev", "test")
MAX_EVENTS = 3

# Categories, and the hypernyms that name them.
CATEGORIES = {
    "animal": ("animal", "creature"),
    "person": ("person", "human"),
    "nature": ("natural phenomenon", "element of nature"),
    "vehicle": ("vehicle", "means of transport"),
    "household": ("household object", "domestic item"),
    "tool": ("tool", "piece of equipment"),
    "music": ("musical instrument", "music maker"),
}


@dataclass(frozen=True)
class EventClass:
    """One kind of sound.

    Attributes:
        name: how questions and lists call it; ESC-10's spelling for its ten classes, with blanks.
        category: a key of `CATEGORIES`.
        synonyms: other names of the same thing.
        clauses: how a caption tells of it.
        question: a natural yes/no question about it that does not use the name as it stands.
    """

    name: str
    category: str
    synonyms: tuple[str, ...]
    clauses: tuple[str, ...]
    question: str

    @property
    def hypernyms(self) -> tuple[str, ...]:
        """The names of its category."""
        return CATEGORIES[self.category]

    @property
    def noun(self) -> str:
        """The name with its article, if it takes one."""
        return self.name if self.name in _WITHOUT_ARTICLE else with_article(self.name)


_WITHOUT_ARTICLE = {
    *("crickets", "sneezing", "clapping", "footsteps", "whistling", "rain", "sea waves", "wind", "thunder", "glass"),
}


def with_article(noun: str) -> str:
    """Put "a" or "an" before a noun."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


# fmt: off
EVENT_CLASSES = {
    event.name: event
    for event in (
        EventClass("dog", "animal", ("hound", "puppy"),
                   ("a dog is barking", "a hound barks", "a puppy yaps"), "Is something barking?"),
        EventClass("rooster", "animal", ("cockerel", "cock"),
                   ("a rooster crows", "a cockerel is crowing", "a cock calls out"), "Is something crowing?"),
        EventClass("cat", "animal", ("kitten", "feline"),
                   ("a cat is meowing", "a kitten meows", "a feline mews"), "Is something meowing?"),
        EventClass("cow", "animal", ("cattle", "ox"),
                   ("a cow moos", "cattle are mooing", "an ox is lowing"), "Is something mooing?"),
        EventClass("bird", "animal", ("songbird", "sparrow"),
                   ("a bird is chirping", "a songbird sings", "a sparrow chirps"), "Is something chirping?"),
        EventClass("frog", "animal", ("toad", "amphibian"),
                   ("a frog croaks", "a toad is croaking", "an amphibian croaks"), "Is something croaking?"),
        EventClass("crickets", "animal", ("grasshoppers", "insects"),
                   ("crickets are stridulating", "grasshoppers trill", "insects are trilling"),
                   "Are insects trilling?"),
        EventClass("crying baby", "person", ("weeping infant", "wailing newborn"),
                   ("a baby is crying", "an infant weeps", "a newborn is wailing"), "Is an infant upset?"),
        EventClass("sneezing", "person", ("sneeze", "achoo"),
                   ("someone sneezes", "a person is sneezing", "somebody goes achoo"), "Does somebody sneeze?"),
        EventClass("clapping", "person", ("applause", "handclaps"),
                   ("people are clapping", "there is applause", "hands clap"), "Do people applaud?"),
        EventClass("footsteps", "person", ("walking", "steps"),
                   ("footsteps go by", "someone is walking", "steps approach"), "Is anyone walking?"),
        EventClass("whistling", "person", ("whistler", "whistled tune"),
                   ("a person is whistling", "someone whistles", "a whistled tune goes on"),
                   "Is somebody whistling a tune?"),
        EventClass("rain", "nature", ("rainfall", "drizzle"),
                   ("rain is falling", "there is rainfall", "drizzle comes down"), "Is it raining?"),
        EventClass("sea waves", "nature", ("ocean surf", "breakers"),
                   ("sea waves roll in", "ocean surf is breaking", "breakers wash ashore"), "Is the ocean heard?"),
        EventClass("crackling fire", "nature", ("campfire", "burning wood"),
                   ("a fire is crackling", "a campfire burns", "wood is burning"), "Is something burning?"),
        EventClass("wind", "nature", ("gale", "breeze"),
                   ("wind is blowing", "a gale howls", "a breeze blows"), "Is it windy?"),
        EventClass("thunder", "nature", ("thunderclap", "lightning"),
                   ("thunder rumbles", "a thunderclap rolls", "lightning strikes"), "Is there a storm overhead?"),
        EventClass("helicopter", "vehicle", ("chopper", "rotorcraft"),
                   ("a helicopter flies over", "a chopper is hovering", "a rotorcraft passes"),
                   "Is something flying overhead?"),
        EventClass("siren", "vehicle", ("ambulance", "police car"),
                   ("a siren wails past", "an ambulance goes by", "a police car is racing"),
                   "Is there an emergency vehicle?"),
        EventClass("car horn", "vehicle", ("honking", "hooter"),
                   ("a car horn honks", "someone is honking", "a hooter sounds"), "Does a driver honk?"),
        EventClass("train", "vehicle", ("locomotive", "railway"),
                   ("a train rolls past", "a locomotive is chugging", "the railway rattles"),
                   "Is something moving on rails?"),
        EventClass("clock tick", "household", ("clock", "ticking"),
                   ("a clock is ticking", "a clock goes tick tock", "there is ticking"), "Is time being kept?"),
        EventClass("door knock", "household", ("knocking", "rapping"),
                   ("someone knocks on a door", "there is knocking", "a rapping at the door"),
                   "Is there a visitor at the door?"),
        EventClass("telephone", "household", ("phone", "ringing"),
                   ("a telephone rings", "a phone is ringing", "a ringing goes on"), "Is someone being called?"),
        EventClass("vacuum cleaner", "household", ("hoover", "carpet sweeper"),
                   ("a vacuum cleaner is running", "a hoover drones", "a carpet sweeper runs"),
                   "Is the floor being cleaned?"),
        EventClass("glass", "household", ("shattering", "broken bottle"),
                   ("glass is breaking", "there is shattering", "a bottle breaks"), "Does a window break?"),
        EventClass("chainsaw", "tool", ("power saw", "motor saw"),
                   ("a chainsaw is running", "a power saw revs", "a motor saw is cutting"),
                   "Is a tree being cut down?"),
        EventClass("hammer", "tool", ("hammering", "mallet"),
                   ("a hammer is pounding", "there is hammering", "a mallet strikes a nail"),
                   "Are nails being driven?"),
        EventClass("drill", "tool", ("drilling", "borer"),
                   ("a drill whines", "someone is drilling", "a borer is whining"), "Is a hole being made?"),
        EventClass("piano", "music", ("keyboard", "pianist"),
                   ("a piano is playing", "a keyboard is played", "a pianist plays"), "Are keys being played?"),
        EventClass("drum", "music", ("drummer", "percussion"),
                   ("a drum is beaten", "a drummer plays a beat", "percussion plays"), "Is there a beat?"),
        EventClass("flute", "music", ("piccolo", "recorder"),
                   ("a flute plays a melody", "a piccolo is playing", "a recorder is blown"),
                   "Is a wind instrument played?"),
    )
}
# fmt: on
NAMES = tuple(EVENT_CLASSES)


@dataclass(frozen=True)
class Scene:
    """A place: how often a clip is recorded there, and how likely each class is to be heard there."""

    weight: float
    events: dict[str, float]


SCENES = {
    "farm": Scene(1.5, {"dog": 3, "rooster": 3, "cow": 3, "cat": 1, "wind": 1, "bird": 1}),
    "forest": Scene(1.2, {"bird": 3, "wind": 2, "crickets": 2, "crackling fire": 2, "chainsaw": 1.5, "frog": 1}),
    "storm": Scene(1.2, {"rain": 3, "thunder": 3, "wind": 2, "frog": 1, "dog": 1}),
    "beach": Scene(0.9, {"sea waves": 4, "wind": 1.5, "whistling": 1, "dog": 1, "helicopter": 1}),
    "street": Scene(1.8, {"siren": 2.5, "car horn": 3, "footsteps": 2, "helicopter": 1.5, "train": 1.5, "dog": 1.5}),
    "home": Scene(
        1.5, {"telephone": 2, "vacuum cleaner": 2, "clock tick": 2, "crying baby": 2, "cat": 1.5, "door knock": 2}
    ),
    "kitchen": Scene(0.9, {"glass": 3, "telephone": 1, "clock tick": 1.5, "sneezing": 2, "footsteps": 1, "cat": 1}),
    "workshop": Scene(1.0, {"hammer": 3, "drill": 3, "chainsaw": 1.5, "sneezing": 1, "whistling": 1}),
    "concert": Scene(1.2, {"piano": 3, "drum": 3, "flute": 3, "clapping": 3, "whistling": 1.5, "sneezing": 0.5}),
}

_EVENTS_PER_CLIP = (0.25, 0.45, 0.30)  # probabilities of 1, 2 and 3 events


def draw_events(rng: np.random.Generator) -> tuple[str, list[str]]:
    """Draw a scene and the 1-3 classes heard in it, without repetition.

    Returns:
        The scene's name, and the names of the classes in the order of `NAMES`.
    """
    weights = np.array([scene.weight for scene in SCENES.values()])
    scene = list(SCENES)[rng.choice(len(SCENES), p=weights / weights.sum())]
    names, odds = list(SCENES[scene].events), np.array(list(SCENES[scene].events.values()), dtype=float)
    count = int(rng.choice(MAX_EVENTS, p=_EVENTS_PER_CLIP)) + 1
    drawn = {names[i] for i in rng.choice(len(names), size=count, replace=False, p=odds / odds.sum())}
    return scene, [name for name in NAMES if name in drawn]
