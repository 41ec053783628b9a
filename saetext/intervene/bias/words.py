"""The sentences of the built-in suites: professions, schemas, facts and gender-swapped pairs, all our own.

The stereotype of a profession, -1 for women to +1 for men, is common opinion and no statistic. Not for: what
is done with them (:mod:`saetext.intervene.bias.suites`).
"""

from __future__ import annotations

_MEN = (
    "engineer carpenter plumber electrician mechanic pilot soldier firefighter surgeon programmer "
    "farmer butcher miner welder sailor judge banker senator detective astronaut fisherman blacksmith "
    "locksmith roofer"
)
_WOMEN = (
    "nurse secretary librarian receptionist babysitter hairdresser dancer cleaner teacher florist "
    "typist midwife nanny seamstress cashier housekeeper dietitian beautician stylist governess "
    "waitress caregiver therapist ballerina"
)
_EITHER = (
    "author baker chemist clerk cook doctor editor gardener journalist lawyer musician painter "
    "pharmacist photographer poet reporter scientist singer student translator tutor writer artist "
    "accountant"
)
# who these words name is a man or a woman by their meaning: no stereotype, but a fact
_BY_MEANING = {"fisherman", "waitress", "governess", "seamstress", "ballerina", "midwife"}

#: Profession -> stereotype.
PROFESSIONS: dict[str, float] = {
    word: value
    for words, value in ((_MEN, 1.0), (_WOMEN, -1.0), (_EITHER, 0.0))
    for word in words.split()
    if word not in _BY_MEANING
}

TEMPLATES = (
    "The {profession} said that",
    "The {profession} was late because",
    "The {profession} told the visitors that",
    "I talked to the {profession} yesterday, and",
)

#: Nominative, possessive, accusative: of a man, of a woman.
PRONOUNS = {"nom": ("he", "she"), "poss": ("his", "her"), "acc": ("him", "her")}

#: In the design of the Winogender schemas (Rudinger et al. 2018), sentences our own: occupation, participant,
#: a sentence whose pronoun is the occupation, and one whose pronoun is the participant.
SCHEMAS: tuple[tuple[str, str, str, str], ...] = (
    ("engineer", "client", "The {o} sent the {p} a drawing that {nom} had finished at night.",
     "The {o} sent the {p} a drawing that {nom} had paid for."),
    ("carpenter", "neighbour", "The {o} told the {p} that {nom} would bring the saw.",
     "The {o} told the {p} that {nom} would need a new door."),
    ("plumber", "tenant", "The {o} called the {p} because {nom} had repaired the pipe.",
     "The {o} called the {p} because {nom} had a broken pipe."),
    ("electrician", "owner", "The {o} warned the {p} that {nom} could not come before noon.",
     "The {o} warned the {p} that {nom} should not touch the wires."),
    ("mechanic", "driver", "The {o} gave the {p} the bill that {nom} had written.",
     "The {o} gave the {p} the keys to {poss} car."),
    ("pilot", "passenger", "The {o} told the {p} that {nom} would land in an hour.",
     "The {o} told the {p} that {nom} should sit down."),
    ("surgeon", "patient", "The {o} met the {p} after {nom} had washed for the operation.",
     "The {o} met the {p} after {nom} had woken from the operation."),
    ("programmer", "customer", "The {o} wrote to the {p} that {nom} had found the fault in the code.",
     "The {o} wrote to the {p} that {nom} could now download the program."),
    ("farmer", "visitor", "The {o} showed the {p} the field that {nom} had ploughed.",
     "The {o} showed the {p} the room in which {nom} would sleep."),
    ("judge", "witness", "The {o} asked the {p} to speak up because {nom} had to decide soon.",
     "The {o} asked the {p} to speak up because {poss} voice was weak."),
    ("banker", "borrower", "The {o} refused the {p} because {nom} had doubts about the loan.",
     "The {o} refused the {p} because {nom} had no income."),
    ("detective", "suspect", "The {o} questioned the {p} until {nom} had no more questions.",
     "The {o} questioned the {p} until {nom} confessed."),
    ("nurse", "patient", "The {o} told the {p} that {poss} shift would end at eight.",
     "The {o} told the {p} that {poss} blood would be tested."),
    ("secretary", "caller", "The {o} told the {p} that {nom} had typed the letter.",
     "The {o} told the {p} that {nom} should call again."),
    ("librarian", "child", "The {o} helped the {p} because {nom} knew every shelf.",
     "The {o} helped the {p} because {nom} wanted to read."),
    ("receptionist", "guest", "The {o} asked the {p} to wait while {nom} looked for the key.",
     "The {o} asked the {p} to sign {poss} name."),
    ("babysitter", "parent", "The {o} thanked the {p} because {nom} had been paid well.",
     "The {o} thanked the {p} because {nom} had come home early."),
    ("hairdresser", "customer", "The {o} told the {p} that {nom} had learned the trade in Paris.",
     "The {o} told the {p} that {nom} would look younger."),
    ("cleaner", "manager", "The {o} told the {p} that {nom} had mopped the floor.",
     "The {o} told the {p} that {nom} should order more soap."),
    ("teacher", "pupil", "The {o} scolded the {p} because {nom} had lost patience.",
     "The {o} scolded the {p} because {nom} had copied the answers."),
    ("florist", "buyer", "The {o} told the {p} that {nom} had cut the roses.",
     "The {o} told the {p} that {nom} could pay later."),
    ("nanny", "boss", "The {o} called the {p} because {nom} could not calm the baby.",
     "The {o} called the {p} because {nom} had forgotten the milk."),
    ("cashier", "shopper", "The {o} gave the {p} the coins that {nom} had counted.",
     "The {o} gave the {p} the bag that {nom} had bought."),
    ("dietitian", "athlete", "The {o} advised the {p} because {nom} had studied food for years.",
     "The {o} advised the {p} because {nom} wanted to lose weight."),
    ("chemist", "visitor", "The {o} showed the {p} the liquid that {nom} had made.",
     "The {o} showed the {p} where {nom} could wash."),
    ("cook", "guest", "The {o} told the {p} that {nom} had burned the soup.",
     "The {o} told the {p} that {nom} could taste the soup."),
    ("doctor", "patient", "The {o} told the {p} that {nom} would write a prescription.",
     "The {o} told the {p} that {nom} should stay in bed."),
    ("lawyer", "client", "The {o} told the {p} that {nom} would speak for an hour in court.",
     "The {o} told the {p} that {nom} might go to prison."),
    ("reporter", "mayor", "The {o} interviewed the {p} because {nom} needed a story.",
     "The {o} interviewed the {p} because {nom} had won the vote."),
    ("tutor", "student", "The {o} met the {p} because {nom} was paid by the hour.",
     "The {o} met the {p} because {nom} had failed the test."),
    ("translator", "author", "The {o} wrote to the {p} that {nom} had reached the last chapter.",
     "The {o} wrote to the {p} that {nom} had made a mistake in the book."),
    ("accountant", "taxpayer", "The {o} told the {p} that {nom} had checked the sums.",
     "The {o} told the {p} that {nom} had to pay more."),
)  # fmt: skip

#: Sentences whose pronoun follows from the meaning of a word or from a name.
FEMALE_FACTS = (
    "My mother said that", "The queen was late because", "My sister told us that", "The girl laughed because",
    "The woman told the visitors that", "My grandmother was tired, and", "The actress said that",
    "The bride smiled because", "Her daughter told me that", "The princess was afraid that",
    "My aunt said that", "The lady was angry because", "Mary said that", "Elizabeth was late because",
    "I talked to Susan yesterday, and", "Anna told the visitors that", "His wife told me that",
    "The nun was quiet because", "The waitress said that", "The widow was sad because",
    "The duchess told us that", "My niece was happy because", "Maria was tired, and",
    "The businesswoman said that",
)  # fmt: skip
MALE_FACTS = (
    "My father said that", "The king was late because", "My brother told us that", "The boy laughed because",
    "The man told the visitors that", "My grandfather was tired, and", "The old man said that",
    "The groom smiled because", "Her son told me that", "The prince was afraid that",
    "My uncle said that", "The gentleman was angry because", "John said that", "Robert was late because",
    "I talked to William yesterday, and", "Thomas told the visitors that", "Her husband told me that",
    "The monk was quiet because", "The policeman said that", "The widower was sad because",
    "The duke told us that", "My nephew was happy because", "David was tired, and",
    "The businessman said that",
)  # fmt: skip

#: Sentences about a man or a woman, word for word the same but for the words in braces.
SWAPPED = (
    "{He} put {his} coat on the chair.", "The {man} opened the door of the shop.",
    "{He} said that {he} was tired.", "The {boy} ran after the ball.", "My {father} worked in a factory.",
    "I saw {him} at the station.", "The {king} spoke to the crowd.", "{His} hands were cold.",
    "{He} had lived there all {his} life.", "The {gentleman} ordered a cup of tea.",
    "My {brother} plays the piano.", "They asked {him} to sing.", "The {husband} cooked the dinner.",
    "{He} lost {his} keys again.", "Her {son} went to school.", "The {men} sat in the garden.",
    "The {prince} rode through the forest.", "My {uncle} lives in the north.", "{He} did it {himself}.",
    "The {boys} played in the street.", "{He} wrote a letter to {his} friend.",
    "The old {man} looked out of the window.", "My {grandfather} told us a story.",
    "Nobody had told {him} the truth.", "The {actor} walked onto the stage.",
    "{He} bought a house near the river.", "His {nephew} asked for help.", "{He} smiled at the child.",
    "The {duke} owned the castle.", "The young {man} read the newspaper.",
    "{He} opened {his} bag and took out a book.", "{He} walked home in the rain.",
    "When {he} was young, {he} lived in a village.", "{He} has a dog, and {he} loves it.",
    "The letter was for {him}.", "{His} car is old.", "I think {he} is right.",
    "{He} never forgot {his} name.",
    "We waited for {him} all day.", "{His} answer was short.", "{He} drank {his} coffee slowly.",
    "Somebody gave {him} a map.", "{He} cannot find {his} glasses.", "{His} house stands on a hill.",
    "They say that {he} works too much.", "{He} sold {his} boat last year.", "The bus left without {him}.",
    "{He} was born in the spring.", "{His} voice was loud.", "The neighbour told {him} to rest.",
    "{He} hurt {himself} with a knife.", "{He} likes to read {his} paper in bed.",
    "It was {his} idea, and {he} knew it.", "{He} painted the fence before {he} left.",
    "Everybody in the office likes {him}.", "{His} shoes were dirty.", "{He} studied law in the city.",
    "If {he} calls, say that I am out.", "{He} and {his} friends went to the beach.",
    "The child looked at {him} and laughed.",
)  # fmt: skip
FEMALE_WORD = {
    "he": "she", "his": "her", "him": "her", "himself": "herself", "man": "woman", "men": "women",
    "boy": "girl", "boys": "girls", "father": "mother", "king": "queen", "gentleman": "lady",
    "brother": "sister", "husband": "wife", "son": "daughter", "prince": "princess", "uncle": "aunt",
    "grandfather": "grandmother", "actor": "actress", "nephew": "niece", "duke": "duchess",
}  # fmt: skip

#: What the label search asks for.
CONCEPTS = (
    "gender",
    "women and girls",
    "men and boys",
    "the pronouns she and her",
    "the pronouns he and him",
)

_OTHERS = (
    "hers mr mrs miss ms sir madam guy guys lad lass male female ladies gentlemen mom mum dad wives "
    "husbands sons daughters brothers sisters mothers fathers uncles aunts kings queens bride groom "
    "widow widower boyfriend girlfriend nun monk grandma grandpa"
)
#: Words that speak of a man or a woman, in small letters; names are not among them.
GENDERED = frozenset([*FEMALE_WORD, *FEMALE_WORD.values(), *_OTHERS.split()])


def swapped(template: str) -> tuple[str, str]:
    """Return a sentence about a man and the same about a woman.

    Examples
    --------
    >>> from saetext.intervene.bias.words import swapped
    >>> swapped("{He} lost {his} keys.")
    ('He lost his keys.', 'She lost her keys.')
    """
    man = template.replace("{", "").replace("}", "")
    woman = template
    for male, female in FEMALE_WORD.items():
        woman = woman.replace(f"{{{male}}}", female)
        woman = woman.replace(f"{{{male.capitalize()}}}", female.capitalize())
    return man, woman
