"""A lexicon: phrases, the roles that they play in a sentence and the observations they name."""

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from importlib.resources import files

import yaml

from cxrstudy.observations import OBSERVATIONS

OTHER_ABNORMALITY = len(OBSERVATIONS)  # bit of a finding that only rules out "No Finding"

_TOKEN = re.compile(r"[a-z0-9]+\*?|[,:/?()&-]")


class Role(IntEnum):
    """What a phrase does, one bit of several, and the section of such phrases."""

    def __new__(cls, place: int, section: str = "") -> "Role":
        """Make the member that is bit number `place`."""
        role = int.__new__(cls, 1 << place)
        role._value_ = 1 << place
        role.section = section
        return role

    MENTION = 0  # "effusion"
    MENTION_UNCERTAIN = 1  # "congestion" is edema, but uncertain by convention
    ANATOMY = 2  # "heart size"
    ABNORMAL = 3, "descriptors.abnormal"  # "enlarged"
    NORMAL = 4, "descriptors.normal"  # "within normal limits"
    STABLE = 5, "descriptors.stable"  # "unchanged"
    BORDERLINE = 6  # "borderline"
    NEGATION_BEFORE = 7, "negation.before"  # "no"
    NEGATION_NOT = 8, "negation.not"  # "is not", which denies one finding and no list
    NEGATION_AFTER = 9, "negation.after"  # "is not seen"
    NEGATION_EITHER = 10, "negation.either"  # "absent"
    UNCERTAINTY_BEFORE = 11, "uncertainty.before"  # "may represent"
    UNCERTAINTY_SUSPICIOUS = 12, "uncertainty.suspicious"  # "suspicious for"
    UNCERTAINTY_EITHER = 13, "uncertainty.either"  # "possible"
    UNCERTAINTY_AFTER = 14, "uncertainty.after"  # "is suspected"
    UNCERTAINTY_DESPITE_NEGATION = 15, "uncertainty.despite_negation"  # "cannot exclude"
    UNCERTAINTY_AFTER_DESPITE_NEGATION = (  # "cannot be excluded"
        16,
        "uncertainty.after_despite_negation",
    )
    HYPOTHETICAL = 17, "hypothetical"  # "to evaluate for"
    ALTERNATIVE = 18, "alternatives"  # "or"
    VERSUS = 19  # "versus"
    JOINING = 20, "joining"  # "and"
    COMMA = 21  # ","
    BOUNDARY = 22, "boundaries"  # "but"
    DETERMINER = 23, "determiners"  # "the"
    ASSERTION = 24, "assertions"  # "small", "left"
    VERB = 25, "verbs"  # "is"
    RESUMING = 26, "resuming"  # "to suggest"
    LABELING = 27, "labeling"  # ":"
    NEUTRAL = 28, "neutral"  # "not only"


SECTION_ROLES: dict[str, int] = {role.section: role for role in Role if role.section} | {
    "ignored": Role.NEUTRAL,
    "versus": Role.ALTERNATIVE | Role.VERSUS,
    "uncertainty.borderline": Role.BORDERLINE | Role.UNCERTAINTY_EITHER,
}
"""Section of the lexicon, with a dot between levels, to the roles of its phrases."""

# Roles that act alike.
CONNECTS = Role.COMMA | Role.JOINING | Role.ALTERNATIVE
SIZES = Role.ABNORMAL | Role.NORMAL | Role.BORDERLINE
DESCRIBES = SIZES | Role.STABLE
NEGATION_OPENS = Role.NEGATION_BEFORE | Role.NEGATION_NOT
HEDGES = Role.UNCERTAINTY_BEFORE | Role.UNCERTAINTY_SUSPICIOUS
OPENS = NEGATION_OPENS | HEDGES | Role.UNCERTAINTY_DESPITE_NEGATION | Role.HYPOTHETICAL
DECIDES_EITHER_SIDE = Role.NEGATION_EITHER | Role.UNCERTAINTY_EITHER
DECIDES_BACKWARD = (
    Role.NEGATION_AFTER | Role.UNCERTAINTY_AFTER | Role.UNCERTAINTY_AFTER_DESPITE_NEGATION
)


class LexiconError(ValueError):
    """A lexicon that cannot be used; the message names the section, the phrase and the remedy."""


@dataclass(frozen=True)
class Meaning:
    """What a phrase does; bit k is observation k of `OBSERVATIONS`, 14 any other."""

    role: int  # one `Role`, or several joined by |
    mentions: int = 0  # observations that the phrase names
    anatomy: int = 0  # observations that are abnormalities of the anatomy that it names
    hints: int = 0  # observations that an asserted mention also makes uncertain

    def __or__(self, other: "Meaning") -> "Meaning":
        """Join two meanings of one phrase."""
        return Meaning(
            self.role | other.role,
            self.mentions | other.mentions,
            self.anatomy | other.anatomy,
            self.hints | other.hints,
        )


@dataclass(frozen=True)
class Lexicon:
    """Phrases with their meanings; the name says where they came from and is shown in errors."""

    name: str
    phrases: Mapping[tuple[str, ...], Meaning]  # a word that ends in * is a beginning

    def without_roles(self, roles: int, name: str) -> "Lexicon":
        """Leave out what phrases do in some roles, to see what those roles contribute."""
        kept = {
            words: replace(meaning, role=meaning.role & ~roles)
            for words, meaning in self.phrases.items()
            if meaning.role & ~roles
        }
        return Lexicon(name, kept)


@cache
def default_lexicon() -> Lexicon:
    """Load the lexicon that ships with the package."""
    text = files(__package__).joinpath("lexicon.yaml").read_text("utf-8")
    return parse_lexicon(text, "lexicon.yaml")


def parse_lexicon(text: str, name: str) -> Lexicon:
    """Read a lexicon from YAML text with the sections of the package's ``lexicon.yaml``."""
    phrases: dict[tuple[str, ...], Meaning] = {}
    for section, patterns, meaning in _entries(yaml.safe_load(text), name):
        for pattern in patterns:
            for words in _expand(str(pattern), section, name):
                known = phrases.get(words)
                phrases[words] = meaning if known is None else known | meaning
    _check_ignored(phrases, name)
    return Lexicon(name, phrases)


def _entries(sections: Mapping[str, object], name: str) -> Iterable[tuple[str, list[str], Meaning]]:
    """List the sections of a lexicon with the meaning of their phrases."""
    yield "comma", [","], Meaning(Role.COMMA)
    for key, content in sections.items():
        if key == "observations":
            for observation, kinds in content.items():
                bit = 1 << _position(observation, name)
                meanings = {
                    "positive": Meaning(Role.MENTION, mentions=bit),
                    "uncertain": Meaning(Role.MENTION | Role.MENTION_UNCERTAIN, mentions=bit),
                    "anatomy": Meaning(Role.ANATOMY, anatomy=bit),
                }
                for kind, patterns in kinds.items():
                    section = f"observations.{observation}.{kind}"
                    yield section, patterns, _look_up(meanings, kind, section, name)
        elif key == "hints":
            for hint in content:
                bit = 1 << _position(hint["observation"], name)
                yield key, hint["phrases"], Meaning(Role.MENTION, hints=bit)
        elif key == "other_abnormalities":
            yield key, content, Meaning(Role.MENTION, mentions=1 << OTHER_ABNORMALITY)
        elif key == "other_anatomy":
            yield key, content, Meaning(Role.ANATOMY)
        elif isinstance(content, Mapping):
            for kind, patterns in content.items():
                section = f"{key}.{kind}"
                yield section, patterns, Meaning(_look_up(SECTION_ROLES, section, section, name))
        else:
            yield key, content, Meaning(_look_up(SECTION_ROLES, key, key, name))


def _position(observation: str, name: str) -> int:
    if observation not in OBSERVATIONS:
        raise LexiconError(
            f"{name}: {observation!r} is not one of the observations: {', '.join(OBSERVATIONS)}"
        )
    return OBSERVATIONS.index(observation)


def _look_up(table: Mapping, key: str, section: str, name: str):
    if key not in table:
        raise LexiconError(f"{name}: unknown section {section!r}; known: {', '.join(table)}")
    return table[key]


def _expand(pattern: str, section: str, name: str) -> Iterable[tuple[str, ...]]:
    """Write out the alternatives and optional words of a pattern."""
    choices: list[list[tuple[str, ...]]] = []
    for part in pattern.lower().split():
        optional = len(part) > 2 and part.startswith("(") and part.endswith(")")
        words = part[1:-1].split("|") if optional else part.split("|")
        for word in words:
            if not _TOKEN.fullmatch(word):
                raise LexiconError(
                    f"{name}: section {section}, phrase {pattern!r}: {word!r} is not a word; write "
                    "letters and digits, one of , : / ? ( ) & -, or a beginning such as effusion*"
                )
        choices.append([(word,) for word in words] + ([()] if optional else []))
    for chosen in itertools.product(*choices):
        words = tuple(itertools.chain.from_iterable(chosen))
        if not words:
            raise LexiconError(
                f"{name}: section {section}, phrase {pattern!r}: every word is optional"
            )
        yield words


def _check_ignored(phrases: Mapping[tuple[str, ...], Meaning], name: str) -> None:
    for words, meaning in phrases.items():
        if meaning.role & Role.NEUTRAL and meaning.role != Role.NEUTRAL:
            parts = [role.name for role in Role if role & meaning.role & ~Role.NEUTRAL]
            raise LexiconError(
                f"{name}: {' '.join(words)!r} is ignored and also plays a part "
                f"({', '.join(parts)}); take it out of one of the sections"
            )
