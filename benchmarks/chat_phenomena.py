"""What is in texts of chats, by regular expressions: which share of documents has a phenomenon."""

from __future__ import annotations

import re
from collections import Counter

from chat_emoji import KINDS

Document = tuple[str | None, str]


def _any(signs: list[str]) -> str:
    return "|".join(re.escape(sign.rstrip("\ufe0f")) for sign in signs)


PHENOMENA: dict[str, str] = {
    **{f"emoji: {kind}": _any(signs) for kind, signs in KINDS.items()},
    "bold": r"\*\*[^*\n]+\*\*|__[^_\n]+__",
    "italic": r"(?<![*\w])\*[^*\s][^*\n]*\*(?!\*)|(?<![_\w])_[^_\s][^_\n]*_(?![_\w])",
    "heading": r"(?m)^#{1,3} ",
    "list with -": r"(?m)^- .*\n- ",
    "list with *": r"(?m)^\* [^\n]*\n+\* ",
    "list with •": r"(?m)^ *• [^\n]*\n+ *• ",
    "numbered list": r"(?m)^1[.)]+ ",
    "nested list": r"(?m)^ {2,4}[-*•] ",
    "task list": r"(?m)^[-*] \[[ xX]\] ",
    "table": r"(?m)^\|.*-{3}.*\|$",
    "code block": r"(?m)^```",
    "code block without tag": r"(?m)\A(?:(?!```)[\s\S])*^```$",
    "Python": r"(?m)^ *(?:def |import |from \w+ import|for \w+.* in .*:$|class "
    r"\w+:|print\()|^while .*:$|^\w+ = "
    r"\{'|^try:$",
    "JavaScript": r"(?m)^(?:const|let|function|export|document\.)\b|forEach|=>",
    "SQL": r"(?m)^(?:SELECT|UPDATE|INSERT|DELETE|CREATE) ",
    "shell": r"(?m)^(?:cd |for f in|git |find |pip |curl |#!/bin/bash)",
    "HTML": r"</\w+>|<form|<ul",
    "JSON": r"[{\[]\s*(?:\{\s*)?\"\w+\": ",
    "inline code": r"(?<!`)`[^`\n]+`(?!`)",
    "block quote": r"(?m)^> ",
    "link or URL": r"https?://|www\.",
    "greeting and sign-off": r"\b(?:Dear|Hello|Hi|Hey|Good morning|To whom)[^\n]*,\n\n[\s\S]*,\n\w",
    "paragraphs": r"\w[^\n]*\n\n[A-Z\w]",
    "all capitals": r"\b[A-Z]{4,}\b.*\b[A-Z]{2,}\b",
    "title case": r"(?m)^(?:[A-Z0-9'][^\sa-z]*[a-z'’-]*[:,?]? ){3,}[A-Z0-9][^\s]*$",
    "lower case only": r"(?s)\A(?=.*\w{3}.* )[^A-Z]*\Z",
    "text-speak": r"(?i)\b(?:lol|omg|brb|thx|idk|tbh|ngl|gonna|gotta|wanna|pls|"
    r"nvm|smh|ur|cya|omw|imo|srsly|lmao|"
    r"2nite|l8r)\b",
    "question at the end": r"\?\s*\Z",
    "exclamation": r"!",
    "ellipsis": r"\.\.\.|…",
    "dash": r" [–—] ",
    "quotation": r"\"[^\"\n]{3,}\"",
    "parentheses": r"\([^)\n]{3,}\)",
    "date": r"\b\d{4}-\d\d-\d\d\b|\b\d\d?[/.]\d\d?[/.]\d{4}|\b\d\d? (?:January|February|March|April|May|June|"
    r"July|August|September|October|November|December)\b|(?:January|February|March|April|May|June|July|"
    r"August|September|October|November|December) \d",
    "time": r"\b\d\d?:\d\d\b|\b\d\d? (?:pm|am|o'clock)",
    "price": r"[$€£]\d|\d €|\d (?:euros|dollars)",
    "percentage": r"\d ?%|per cent",
    "unit": r"\d ?(?:km|kg|g|ml|cm|mm|m|kWh|°C|°F|Hz|MB|GB|lb|W|kilometres|metres|degrees)\b",
    "telephone number": r"555[ -]0",
    "formula": r"\d [+×·÷−/] \d[^\n]*=|\w = \w+ · \w|=\s*\d+[.]",
    "fraction": r"\b\d/\d+\b|[½¼¾⅓]",
    "opening: sure": r"(?:Sure|Certainly|Of course|Absolutely|Definitely|Gladly)\b[!,. t]",
    "opening: question praised": r"(?:Great|Good|Excellent|Interesting|Fair) question",
    "opening: happy to help": r"(?i)(?:be|happy|glad|delighted) (?:happy |glad |delighted "
    r")?to (?:help|explain|walk|show)",
    "opening: here is": r"Here (?:is|are)|Here's",
    "opening: yes": r"\bYes\b",
    "opening: no": r"\bNo[,.!]",
    "opening: well": r"\bWell\b",
    "opening: unfortunately": r"Unfortunately",
    "closing: let me know": r"Let me know",
    "closing: hope": r"[Hh]ope (?:this|that) helps|Good luck|Have fun",
    "closing: feel free": r"Feel free|Don't hesitate|Just (?:ask|shout)",
    "refusal": r"(?i)\b(?:can't|cannot|won't|must|have to|rather|will have to|"
    r"unable to|not able to|not allowed to|"
    r"not designed to|wouldn't be|would not be|not possible|will not) (?:help|do that|do this|do it|"
    r"assist|write that|fulfil|comply|support|be part|go along|decline|refuse|pass|say no|provide|"
    r"engage|right|responsible|safe|ethical|share|break|invade|encourage|mock|guess)|absolutely not|"
    r"definitely not|not happening|out of the question|no can do|line I won't cross|not comfortable|"
    r"against my guidelines|off limits|don't feel comfortable|not something I|please don't ask me to|"
    r"not a chance",
    "reason of a refusal": r"(?i)illegal|against the law|privacy|violate|hurt people|harm|a crime",
    "apology": r"(?i)\bsorry\b|apolog",
    "as an AI": r"As an AI|language model|an AI\b",
    "not a doctor": r"I'm not a |is(?:n't| not) (?:medical|legal|financial|professional) advice",
    "hedge": r"(?i)\b(?:perhaps|maybe|might|presumably|possibly|I'm not (?:\w+ "
    r")?sure|as far as I know|it seems|"
    r"probably)\b",
    "praise": r"(?i)well done|bravo|congratulations|I'm (?:impressed|amazed)|"
    r"what a (?:great|lovely|thoughtful|"
    r"brilliant|clever)|great job|brilliantly|excellent",
    "moral": r"(?i)ought to|duty to|responsibility to|\b(?:honesty|kindness|"
    r"fairness|consent)\b|has the right to|"
    r"it's (?:wrong|unfair|not right|unkind)|consider how|who might be hurt|important to (?:respect|"
    r"consider)|have feelings|pay the price|should (?:be honest|apologise|respect)",
    "empathy": r"(?i)sorry to hear|you feel|not alone|(?:sounds|must be|must "
    r"feel) (?:hard|exhausting|frustrating|"
    r"painful|lonely|stressful)|normal to feel|my heart goes|for telling me|sharing this|I'm (?:so |"
    r"really |very |)sorry that",
    "politeness": r"(?i)\bplease\b|thank|would you mind|grateful",
    "rudeness": r"(?i)shut up|get lost|rubbish|stupid|dumbest|useless|no clue|"
    r"no idea how|joke|pathetic|are you "
    r"kidding|what is wrong with you|better than you|how hard can it be|mind your own|already!|wasting "
    r"my time|garbage|nobody asked you|whatever, genius|stop whining|for once!|seriously\?",
    "first person": r"\bI\b",
    "steps": r"(?i)step \d|step by step|(?:^|\n)(?:1[.)]) |first,|to begin with",
    "wait": r"\b(?:Wait|Hold on|Hmm)\b",
    "let me check": r"(?i)let me (?:check|double-check|think|see|reconsider|work)|let's see",
    "so that means": r"(?i)so that means|which means|that means|it follows",
    "suppose": r"Suppose|Let's assume|assume that",
    "on the other hand": r"[Oo]n the other hand",
    "therefore": r"(?i)\b(?:therefore|hence)\b",
    "warning": r"(?i)warning|caution|careful|attention|danger|watch out|do not|⚠",
    "comparison": r"\b(?:than|whereas|[Uu]nlike|[Cc]ompared)\b",
    "pros and cons": r"Pros|Advantages|Cons|Disadvantages|Plus:|Minus:",
    "definition": r"(?i)is defined as|the term|refers to|means what|(?:is|means) "
    r"something that|put simply|\(noun\)|"
    r"we mean|n\.: 1|in short: it's|think of it as",
    "summary": r"(?i)in short|in summary|to sum up|nutshell|tl;dr|to conclude|"
    r"key points|bottom line|all in all|"
    r"overall",
    "story": r"(?i)once upon a time|long ago|\" (?:said|asked|whispered|cried|shouted)|in the end, the",
    "hashtag": r"(?<!\w)#[A-Za-z]\w{2,}",
    "mention": r"(?<![\w.])@\w{4,}",
    "forum": r"(?i)first post|lurker|\bIMHO?\b|\+1|moderator|edit:|AFAIK|YMMV|"
    r"newbie|bump|same here|thanks in "
    r"advance|TIA\b|have you tried",
    "customer service": r"(?i)(?:order|parcel|refund|ticket) (?:\S+|no\. \d+) (?:has been|"
    r"was)|dear customer|order number|"
    r"voucher|customer service|refund",
    "log": r"(?m)^\S*\d\d:\d\d:\d\d.*(?:INFO|DEBUG|WARN|ERROR)|^\d{4}-\d\d-\d\d \d\d:",
    "traceback or error": r"Traceback|(?:Key|Value|Type|Name|Index|Runtime|OS)Error|fatal: "
    r"error|: error:|command not found",
    "delimited rows": r"(?m)^(?:[^,\n]+,){3}[^,\n]+\n(?:[^,\n]+,){3}|"
    r"^(?:[^;\n]+;){3}[^;\n]+\n(?:[^;\n]+;){3}|"
    r"(?:\t.+){3}\n",
    "Spanish, French, German, "
    "Italian, Portuguese": r"¿|\b(?:Gracias|pero|abuela|Mi|Bonjour|est|frère|désolé|froid|"
    r"Où|Guten|Meine|Heute|Vielen|leid|"
    r"Buongiorno|Mia|dispiace|Domani|Scusi|Bom|meu|Desculpe|muito|Obrigada|Perdón|siento)\b",
    "rating": r"★|\b\d/(?:5|10)\b|[Ff]ive stars|One star|recommended|refund|waste of money",
    "verse": r"(?m)(?:^[^\n.:!?]{12,60}[,.;–]?\n){3}",
    "recipe": r"\b(?:tsp|tbsp|cup)s?\b|Bake at|\b(?:Simmer|Whisk|Season|Grate) ",
}


def shares(documents: list[Document]) -> dict[str, float]:
    """Return phenomenon -> share of the texts that have it."""
    compiled = {name: re.compile(pattern) for name, pattern in PHENOMENA.items()}
    found = Counter(
        name for _, text in documents for name, pattern in compiled.items() if pattern.search(text)
    )
    return {name: found[name] / len(documents) for name in PHENOMENA}


def distinct_fives(documents: list[Document]) -> float:
    """Return the share of distinct ones among all sequences of five words within texts."""
    seen: set[tuple[str, ...]] = set()
    count = 0
    for _, text in documents:
        words = text.lower().split()
        count += max(0, len(words) - 4)
        seen.update(zip(words, words[1:], words[2:], words[3:], words[4:], strict=False))
    return len(seen) / max(count, 1)


def report(documents: list[Document]) -> str:
    """Return numbers of documents and characters, and the shares, rarest first."""
    characters = sum(len(text) for _, text in documents), sum(len(prompt or "") for prompt, _ in documents)
    words = len({word for _, text in documents for word in re.findall(r"[a-z]+", text.lower())})
    lines = [
        f"{len(documents)} documents, {characters[0]} characters of text, {characters[1]} of prompts, "
        f"{words} different words",
        f"distinct 5-grams: {distinct_fives(documents):.3f}",
    ]
    lines += [
        f"{share:6.1%} {name}" for name, share in sorted(shares(documents).items(), key=lambda row: row[1])
    ]
    return "\n".join(lines)
