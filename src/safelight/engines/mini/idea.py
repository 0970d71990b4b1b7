"""What a prompt asks for, as data: subjects, relations between them, a setting, styles."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Subject:
    label: str
    colour: str | None = None  # a key of words.COLOURS; None: its own
    count: int = 1
    scale: float = 1.0  # "tiny" … "giant", times its usual size
    spot: str | None = None  # a key of words.toml's [spot]: where in the picture


@dataclass(frozen=True, slots=True)
class Relation:
    """subjects[who] is `kind` (a key of words.toml's [relation]) subjects[whom]."""

    who: int
    kind: str
    whom: int


@dataclass(frozen=True, slots=True)
class Setting:
    place: str | None = None  # None: nobody said
    light: str = "day"  # "day", "sunset" or "night"
    weather: frozenset[str] = frozenset()
    backdrop: str | None = None  # a plain colour instead of a place
    gradient: bool = False  # the backdrop runs from light to dark
    celestial: bool = False  # the sun or the moon was named

    @property
    def is_named(self) -> bool:
        return bool(
            self.place or self.backdrop or self.weather or self.light != "day" or self.celestial
        )


@dataclass(frozen=True, slots=True)
class Idea:
    """All that the picture takes from the prompt."""

    subjects: tuple[Subject, ...] = ()
    setting: Setting = field(default_factory=Setting)
    flying: bool = False
    relations: tuple[Relation, ...] = ()
    styles: tuple[str, ...] = ()  # of phrases.toml: of the finished picture, or of drawing
    zoom: float = 1.0  # of what stands in the scene: "close-up", "wide shot"
