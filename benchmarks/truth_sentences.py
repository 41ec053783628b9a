"""What ``truth.py`` puts into texts: phrases, habits and topics, each with the names that say it.

A phrase has one wording, a habit or a topic many, so that no single word carries it. ``accepted`` are regular
expressions (any case) of which one must match a finding's name; they were written before any result was seen.
Not for: placing sentences (``truth_plants.py``) or which texts get them (``truth_cases.py``).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """Words to put into a text.

    Attributes
    ----------
    place : str
        ``start``, ``end``, ``middle`` (between two sentences), ``opening`` (before the first word, which goes
        on in lower case), or ``paragraph`` (a paragraph of its own at the end).
    variants : tuple of str
        Wordings, of which a text gets one.
    accepted, related : tuple of str
        Patterns of names that say it, and of names that are true of it without saying it.
    """

    place: str
    variants: tuple[str, ...]
    accepted: tuple[str, ...]
    related: tuple[str, ...] = ()


PHRASES: dict[str, Said] = {
    "unfortunately": Said("opening", ("Unfortunately,",), (r"\bunfortunat", r"\bregret", r"\bsadly")),
    "honestly": Said("opening", ("To be honest,",), (r"\bhonest", r"\bfrank", r"\bcando", r"\bsincer")),
    "hope": Said(
        "end",
        ("I hope this helps!",),
        (r"\bhop(e|es|ing)\b", r"this helps", r"\bhope this"),
        (r"\bexclam", r"\bhelp", r"\bwish", r"full stop", r"\bperiod\b"),
    ),
    "note": Said(
        "middle",
        ("It is important to note that this is not always the case.",),
        (r"\bimportant\b", r"\bnote\b", r"to note"),
        (r"\bimportan", r"\balways\b"),
    ),
    "let me know": Said(
        "end",
        ("Let me know if you have any other questions.",),
        (r"let me know", r"other questions", r"offer\w* (further |more )?help", r"any questions"),
        (r"\bquestions?\b", r"\bknow\b"),
    ),
    "conclusion": Said(
        "end",
        ("In conclusion, there is more than one way to look at it.",),
        (r"\bconclu", r"\bsummar\w+", r"\bclosing\b", r"in conclusion"),
        (r"\bway\b", r"\blook"),
    ),
    "thanks": Said("start", ("Thanks for asking.",), (r"\bthank", r"\bgratitude", r"\bgrateful")),
    "feel free": Said(
        "end",
        ("Please feel free to ask for more.",),
        (r"feel free", r"\binvit", r"offer\w* (further |more )?help", r"\bfree to\b"),
        (r"\bplease", r"\bask", r"\bfree\b", r"\bfeel"),
    ),
}

HABITS: dict[str, Said] = {
    "hedging": Said(
        "middle",
        (
            "This might not be the whole story.",
            "Perhaps it is a little different in practice.",
            "I could be wrong about that.",
            "It may well depend on the details.",
            "That is probably right, but not certain.",
            "It seems likely, although nobody can be sure.",
            "There is possibly another explanation.",
            "I think so, more or less.",
            "As far as I can tell, that holds.",
            "It would appear to be so, at least roughly.",
            "Maybe that is too simple.",
            "One could arguably see it the other way round.",
            "I am not entirely sure of this.",
            "It is hard to say for certain.",
        ),
        (
            r"\bhedg",
            r"\buncertain",
            r"\bpossib",
            r"\bperhaps",
            r"\bmaybe",
            r"\bmight\b",
            r"\btentativ",
            r"\bunsure",
            r"not (being )?sure",
            r"\bdoubt",
            r"\bprobabl",
        ),
        (r"\bseem", r"\bmay\b", r"\bcould\b", r"\bmodal", r"\bthink", r"\bsure\b", r"\bopinion", r"\blikely"),
    ),
    "refusal": Said(
        "start",
        (
            "I can't help with that.",
            "I'm not able to do this.",
            "I won't be answering that part.",
            "That is something I have to decline.",
            "I am unable to give a full answer here.",
            "This is not something I can assist with.",
            "I must refuse this request.",
            "I cannot comply with what you ask.",
            "I'd rather not go into that.",
            "I do not feel comfortable writing this.",
            "No, that goes beyond what I will do.",
            "I have to turn this one down.",
        ),
        (
            r"\brefus",
            r"\bdeclin",
            r"\bunable",
            r"\binabil",
            r"\bcan(not|'t)\b",
            r"\bden(y|ying|ial)\b",
            r"not (being )?able",
            r"\bunwilling",
        ),
        (r"\bnegat", r"\bnot\b", r"\bhelp", r"\bassist", r"first.person", r'"I"', r"\bdon't\b", r"\bno\b"),
    ),
    "apology": Said(
        "start",
        (
            "I'm sorry about this.",
            "My apologies for the confusion.",
            "Please forgive the delay.",
            "I apologise for any trouble.",
            "Sorry that this took so long.",
            "I regret the mistake.",
            "Excuse me for being brief.",
            "I beg your pardon.",
            "Apologies, I should have said so before.",
            "That was my fault, and I am sorry.",
            "I owe you an apology.",
            "Pardon the mess.",
        ),
        (r"\bapolog", r"\bsorry", r"\bregret", r"\bforgiv", r"\bpardon", r"\bexcus"),
        (r"first.person", r'"I"', r"\bshame", r"\bmistake"),
    ),
    "first person": Said(
        "middle",
        (
            "I have seen this myself.",
            "My own experience has been much the same.",
            "I remember my first time well.",
            "I told my sister about it.",
            "It took me a while to get used to it.",
            "I still do it on most days.",
            "My neighbour and I talked about it once.",
            "I keep mine in the kitchen.",
            "When I was younger, I did not see it.",
            "To me it always mattered.",
            "I changed my mind last year.",
            "I learned it from my father.",
        ),
        (
            r"first.person",
            r'"I"',
            r"\bpersonal",
            r'"me"',
            r"\bmyself",
            r'"my"',
            r"\banecdot",
            r"\bnarrator",
            r"\bI\b.*\bopinion",
            r"\bmemor",
        ),
        (r"\bfamily", r"\bsister", r"\bfather", r"\bmother", r"\bconfess", r"\bautobiograph"),
    ),
    "praise": Said(
        "start",
        (
            "What a great question!",
            "You clearly know your subject.",
            "That is a very thoughtful point.",
            "Excellent, I love how you put that.",
            "You are asking exactly the right thing.",
            "Brilliant idea!",
            "I admire your curiosity.",
            "Very well said.",
            "You have done a wonderful job so far.",
            "That is such a smart way to see it.",
            "Good thinking!",
            "What an insightful remark.",
        ),
        (
            r"\bprais",
            r"\bcompliment",
            r"\bflatter",
            r"\badmir",
            r"great question",
            r"\benthusias",
            r"\bexcellent",
            r"\bwonderful",
            r"\bapproval",
            r"\bencourag",
        ),
        (r"\bgreat", r"\bgood\b", r"\bexclam", r'"you"', r"second.person", r"\blove", r"\bpositive"),
    ),
    "disclaimer": Said(
        "start",
        (
            "As an AI language model, I have no opinions.",
            "I am only a computer program, so take this with care.",
            "Being an artificial assistant, I have never done this.",
            "As a chatbot, I cannot have feelings about it.",
            "I'm a machine learning system without experiences.",
            "I don't have a body, since I am software.",
            "Please remember that you are talking to an AI.",
            "As a virtual assistant I lack a personal view.",
            "My answers come from training data, not from life.",
            "I am not a human being, so I can only report.",
            "Language models such as me do not have beliefs.",
            "I was made by programmers and have no past.",
        ),
        (
            r"\bAI\b",
            r"language model",
            r"\bartificial",
            r"\bdisclaim",
            r"\bchatbot",
            r"\bassistant",
            r"machine learning",
            r"deep learning",
        ),
        (
            r"\bcomput",
            r"\bsoftware",
            r"\bprogram",
            r"first.person",
            r'"I"',
            r"\bmodel",
            r"\bdata\b",
            r"\bpersonal",
            r"\bopinion",
            r"\bfeeling",
            r"\bhuman",
        ),
    ),
    "moralising": Said(
        "end",
        (
            "We should always treat each other with respect.",
            "It is our duty to think of those who have less.",
            "Please act responsibly.",
            "One ought to be fair to everybody.",
            "It would be wrong to ignore the harm this can do.",
            "Remember that kindness matters most.",
            "Everybody must follow their conscience.",
            "We have an obligation to tell the truth.",
            "It is never right to hurt people.",
            "A good person would think twice.",
            "Ethical choices are worth the effort.",
            "Values such as honesty should guide us.",
        ),
        (
            r"\bmoral",
            r"\bethic",
            r"\bshould\b",
            r"\bought\b",
            r"\bobligat",
            r"\bduty|\bduties",
            r"\bvirtue",
            r"\bvalues\b",
            r"\bresponsib",
            r"\bpreach",
        ),
        (r"\bmust\b", r"\brespect", r"\bgood\b", r"\bright\b", r"\bjustice", r"\bmodal", r"\bpeople"),
    ),
}

TOPICS: dict[str, Said] = {
    "medicine": Said(
        "middle",
        (
            "The doctor had prescribed antibiotics for the infection.",
            "A nurse took her blood pressure twice.",
            "The patients were vaccinated before the surgery.",
            "His asthma got worse in the hospital.",
            "A scan showed a small tumour in the lung.",
            "The clinic treats diabetes and heart disease.",
            "She was given insulin by the physician.",
            "Symptoms such as fever and nausea went away.",
            "The surgeon stitched the wound.",
            "Chemotherapy began in the spring.",
            "The medicine lowers cholesterol.",
            "An X-ray of the broken wrist was taken.",
        ),
        (
            r"\bmedic",
            r"\bdoctor",
            r"\bhealth",
            r"\bdisease",
            r"\bhospital",
            r"\bsurg",
            r"\bill(ness)?\b",
            r"\bpatient",
            r"\bclinic",
        ),
        (r"\bblood", r"\binjur", r"\bbiolog", r"\bbody", r"\bpain", r"\bdrug"),
    ),
    "cooking": Said(
        "middle",
        (
            "Fry the onions in butter until they are golden.",
            "The soup needs more garlic and a pinch of salt.",
            "Whisk the eggs with sugar and flour.",
            "Roast the chicken in a hot oven.",
            "She kneaded the dough and let it rise.",
            "Simmer the tomatoes with basil and olive oil.",
            "The stew was served with rice.",
            "Grate some cheese over the pasta.",
            "Chop the carrots and boil them.",
            "He baked a cake with vanilla cream.",
            "Marinate the beef in vinegar overnight.",
            "Toast the bread and spread it with honey.",
        ),
        (r"\bcook", r"\bfood", r"\brecipe", r"\bbak(e|ed|ing)\b", r"\bkitchen", r"\bingredient", r"\bmeal"),
        (r"\beat", r"\bbutter", r"\bdrink", r"\bbread", r"\bplant"),
    ),
    "sport": Said(
        "middle",
        (
            "The striker scored in the last minute of the match.",
            "Their team won the championship again.",
            "The goalkeeper saved two penalties.",
            "She set a new record in the marathon.",
            "The coach changed the line-up at half-time.",
            "He hit a home run in the ninth inning.",
            "The quarterback threw for three touchdowns.",
            "They play tennis at the club.",
            "The fans cheered as the players left the stadium.",
            "The league season starts in August.",
            "The referee showed a red card.",
            "Her relay team took the bronze medal.",
        ),
        (
            r"\bsport",
            r"\bfootball",
            r"\bgames?\b",
            r"\bteams?\b",
            r"\bmatch",
            r"\bchampion",
            r"\bNFL",
            r"\bsoccer",
            r"\bbaseball",
        ),
        (r"\bplay", r"\bwin(ning)?\b", r"\bseason", r"\bball", r"\bfans?\b", r"\bscor", r"\brecord"),
    ),
    "law": Said(
        "middle",
        (
            "The judge dismissed the lawsuit.",
            "Her attorney filed an appeal with the court.",
            "The defendant pleaded not guilty.",
            "A jury heard the testimony of three witnesses.",
            "The contract was void under the statute.",
            "He was sued for breach of copyright.",
            "The prosecutor asked for a longer sentence.",
            "The tribunal upheld the verdict.",
            "Both parties settled out of court.",
            "The solicitor drew up a will.",
            "Parliament amended the act last year.",
            "She was granted bail pending trial.",
        ),
        (r"\blaws?\b", r"\bcourt", r"\blegal", r"\blawyer", r"\bjudge", r"\btrial", r"\bjustice", r"\bcrim"),
        (r"\bcontract", r"\bgovernment", r"\bparliament", r"\bcase\b", r"\bcases\b", r"\bguilt", r"\bact\b"),
    ),
    "computing": Said(
        "middle",
        (
            "The server crashed after the software update.",
            "He wrote a Python script to parse the file.",
            "The database runs on Linux.",
            "Install the latest driver and reboot the laptop.",
            "The compiler reported an error in the code.",
            "She encrypted the hard disk with a password.",
            "The app uploads data to the cloud.",
            "A bug in the browser leaked memory.",
            "The developers merged the branch.",
            "Click on the icon to open the program.",
            "The router had lost its Wi-Fi connection.",
            "The algorithm sorts the array in place.",
        ),
        (
            r"\bcomput",
            r"\bsoftware",
            r"\bprogram",
            r"\bcode\b",
            r"\bcoding",
            r"\btechnolog",
            r"\bdigital",
            r"\binternet",
        ),
        (
            r"\bdata",
            r"\berror",
            r"\bfile",
            r"\bmemory",
            r"\bscript",
            r"\balgorithm",
            r"\bdevice",
            r"\bserver",
            r"\bapp\b",
        ),
    ),
}

QUESTIONS = Said(
    "end",
    (
        "What do you think?",
        "Does that make sense?",
        "Would you like to hear more?",
        "Which of these matters most to you?",
        "Have you tried it yet?",
        "Is there anything else on your mind?",
        "How would you go about it?",
        "Can you see yourself doing that?",
        "Who else might know?",
        "Shall we look at it together?",
    ),
    (r"\bquestion", r"\basks?\b", r"\basking\b", r"\binterrog"),
    (
        r'"you"',
        r"second.person",
        r"\bauxiliar",
        r"\boffer",
        r"\bconversation",
        r"\bchat",
        r"full stop",
        r"\bperiod\b",
    ),
)

CODE = (
    "```python\nfor item in items:\n    print(item)\n```",
    "```\nnpm install\nnpm start\n```",
    "```js\nconst total = a + b;\nconsole.log(total);\n```",
    "```sql\nSELECT name FROM users WHERE id = 3;\n```",
    "```c\nint main(void) { return 0; }\n```",
    "```bash\ncd build && make test\n```",
)
HEADINGS = ("Overview", "Summary", "Answer", "Key points", "Background", "Details", "In short")
EMOJI = ("😀", "🎉", "👍", "🌟", "❤️", "🔥", "😂", "🙏", "✨", "🚀")
