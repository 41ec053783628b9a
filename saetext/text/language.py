"""A cheap guess whether a text is English, for the warning that a reader may not know the language.

Counts function words; no model, no dependency. Not for: telling languages apart.
"""

from __future__ import annotations

import itertools

from saetext.text.words import matches

_MIN_WORDS = 12
_MAX_WORDS = 200
_ONE_IN = 12  # about every second word of running English is a function word; lists and code have fewer

_ENGLISH = """
    a about after all also an and any are as at be because been but by can could did do does doesn't
    don't for from get had has have he her his how i i'm if in into is isn't it it's its just like make
    may more most my no not now of on one only or other our out over she should so some such than that
    the their them then there these they this those through to too up use used using very was we were
    what when where which while who will with would you your
"""
# The commonest words of languages in Latin script that English does not have, so that the "in", "is" and "a"
# which many of them share with it do not pass for English.
_OTHERS = """
    aber auch auf das dem den der des dich die ein eine einen er es für haben hat ich ihr im ist mit
    nicht noch oder sich sie sind um und uns von wenn werden wie wir wurde zu zum zur
    au aux avec ce ces cette d dans de du elle en est et il ils je l la le les leur mais n'est nous on
    ont ou par pas plus pour qu que qui sa se ses son sont sur un une vous était être
    al como con cuando del el ella ellos entre era esta este está los las lo más muy nos pero por porque
    se ser si sin su sus también tiene una uno y ya
    ao ainda à às com da das do dos e ela ele em essa esse foi há isso já mas mais na não nas nos o os
    ou para pela pelo são também tem um uma você
    alla anche che chi ci come dal dalla degli dei del della delle di e gli ha hanno i il io loro ma nel
    nella non o perché più quando questa questo quello sono suo sul una è
    aan bij dan dat de deze die dit een en er ge geen hebben heeft het hij hoe ik je maar met naar niet
    nog ook omdat onze op te uit van veel voor wat wel werd worden ze zich zijn
    att av blev den det där efter ej en ett från för han har hon inte jag kan med men mycket när och om
    på sig ska som till var vi är
    af at blev de den der det efter eller en er et fra har hun hvor ikke jeg med men nå når og også om
    på seg sig som til vi å
    ale być co czy dla do gdy i jak jako jego jej jest już ma na nie o od po przez przy są się tak to w
    z za że
    a ale aby byl být i jak jako je jeho jen jsem jsou k která který na nebo o po pro před při s se si
    tak v ve z za že
    a az csak de egy el és ha hogy így is ki még már meg mert mint nagyon nem s sem vagy van volna volt
    után
    ama bir bu çok da daha de değil gibi her için ile mi ne o olan olarak olduğu sonra ve veya var
    ada adalah akan atau bahwa dalam dan dari dengan di ini itu juga ke kita mereka oleh pada saya
    sebagai sudah tidak untuk yang
    bị các có của cho được đã đến là một những không này người ra rất sẽ trong tôi và với
    ei että hän ja jo joka kun kuin mukaan mutta myös niin oli olla on ovat se sekä tai tämä
    ale au care ca cel cu de din este în la mai nu o pe pentru prin și sau se sunt un
    ang ay hindi ito mga na nang ng sa si siya
    hii katika kwa la na ni wa ya
"""

_ENGLISH_WORDS = frozenset(_ENGLISH.split())
OTHER_WORDS = frozenset(_OTHERS.split()) - _ENGLISH_WORDS


def looks_english(text: str) -> bool | None:
    """Return whether ``text`` looks like English; None where it is too short to say.

    Only the first 200 words are looked at. A text counts as not English when most of its letters are outside
    the Latin script, when fewer than one word in twelve is an English function word, or when more words are
    function words of other languages.
    """
    found = (m.group().lower() for m in matches(text))
    words = list(itertools.islice((w for w in found if any(map(str.isalpha, w))), _MAX_WORDS))
    letters = "".join(words)
    if len(letters) >= 20 and sum(c > "\u024f" and c != "’" for c in letters) > len(letters) / 2:
        return False
    if len(words) < _MIN_WORDS:
        return None
    plain = [word.replace("’", "'") for word in words]
    english = sum(word in _ENGLISH_WORDS for word in plain)
    return english * _ONE_IN >= len(words) and english >= sum(word in OTHER_WORDS for word in plain)
