"""Texts written for this test, in English of many kinds and in other languages."""

from __future__ import annotations

import pytest

from saetext.text.language import looks_english

ENGLISH = {
    "prose": "The lamp went out before she had reached the stairs, and for a while nobody in the house said "
    "anything. Then somebody laughed, and it was as if the dark had never been there.",
    "answer": "Sure! To reset the router, hold the small button on the back for ten seconds. If that doesn't "
    "help, please let me know which lights are blinking and I'll try to work out what is wrong.",
    "list": "Shopping list:\n- two loaves of bread\n- a bag of rice\n- olive oil\n- candles for the cake\n"
    "- milk (if there is any left)\n- something nice to drink with dinner",
    "steps": "1. Open Settings. 2. Choose Network. 3. Press Reset. 4. Wait until the screen goes dark. 5. "
    "Enter "
    "the password again. 6. Check that the printer is found.",
    "poem": "Slow river, brown with last week's rain,\nyou carry off the leaves, the stain\nof copper from "
    "the upper fields,\nand all the summer never yields.",
    "slang": "lol no way he actually did that?? im done with this guy fr, u should have seen his face when "
    "the bus left without him",
    "headline": "Council votes to close the old bridge after engineers find cracks in three of its pillars",
    "names": "Mr Schmidt met Frau Müller and Señora García at the Café de la Paix in Paris, where they "
    "talked "
    "about the opera until the waiter asked them to leave.",
    "quote": "He said “je ne sais quoi” twice, which is about all the French that he knows, and then he "
    "ordered soup for everyone at the table.",
    "science": "We measured the absorption spectrum of each sample at 4 K and found that the peak shifts by "
    "12 meV when the layer is thinner than 3 nm, in line with earlier reports.",
    "apostrophes": "I don’t think it’s fair, but they’re right that we can’t wait any longer, so I’ll call "
    "them in the morning and we’ll see.",
    "short words": "I am to go to it as it is, so do as I do or go by bus, if it is on at all.",
}

FOREIGN = {
    "German": "Die Lampe ging aus, bevor sie die Treppe erreicht hatte, und eine Weile sagte niemand im Haus "
    "etwas. Dann lachte jemand, und es war, als wäre es nie dunkel gewesen.",
    "French": "La lampe s’éteignit avant qu’elle n’atteigne l’escalier, et pendant un moment personne "
    "dans la "
    "maison ne dit rien. Puis quelqu’un rit, comme si de rien n’était.",
    "Spanish": "La lámpara se apagó antes de que ella llegara a la escalera, y durante un rato nadie en la "
    "casa dijo nada. Luego alguien se rió, como si no hubiera pasado nada.",
    "Portuguese": "A lâmpada apagou-se antes de ela chegar à escada, e durante algum tempo ninguém na casa "
    "disse nada. Depois alguém riu, como se a noite não tivesse existido.",
    "Italian": "La lampada si spense prima che lei arrivasse alle scale, e per un po' nessuno in casa disse "
    "nulla. Poi qualcuno rise, come se il buio non ci fosse mai stato.",
    "Dutch": "Het is een mooie dag in de stad en we gaan met de trein naar het strand, want daar was het in "
    "de zomer altijd zo druk. Wat een geluk dat we vandaag vrij zijn.",
    "Swedish": "Lampan slocknade innan hon hade nått trappan, och en stund sade ingen i huset något. Sedan "
    "skrattade någon, och det var som om mörkret aldrig hade funnits där.",
    "Danish": "Lampen gik ud, før hun nåede trappen, og et øjeblik sagde ingen i huset noget. Så lo nogen, "
    "og det var, som om mørket aldrig havde været der.",
    "Polish": "Lampa zgasła, zanim doszła do schodów, i przez chwilę nikt w domu nic nie mówił. Potem ktoś "
    "się zaśmiał, jakby ciemności nigdy tu nie było.",
    "Czech": "Lampa zhasla dřív, než došla ke schodům, a chvíli nikdo v domě nic neříkal. Pak se někdo "
    "zasmál, jako by tu tma nikdy nebyla.",
    "Turkish": "O merdivene varmadan önce lamba söndü ve bir süre evde kimse bir şey söylemedi. Sonra biri "
    "güldü; sanki karanlık hiç olmamıştı.",
    "Indonesian": "Lampu padam sebelum dia sampai di tangga, dan untuk beberapa saat tidak ada orang di "
    "rumah "
    "yang berkata apa-apa. Lalu seseorang tertawa.",
    "Vietnamese": "Đèn tắt trước khi cô ấy đến cầu thang, và trong một lúc không ai trong nhà nói gì. Rồi có "
    "người cười, như thể bóng tối chưa từng có.",
    "Finnish": "Lamppu sammui ennen kuin hän ehti portaille, eikä kukaan talossa sanonut hetkeen mitään. "
    "Sitten joku nauroi, ja oli kuin pimeää ei olisi ollutkaan.",
    "Romanian": "Lampa s-a stins înainte ca ea să ajungă la scări și o vreme nimeni din casă nu a spus "
    "nimic. Apoi cineva a râs, de parcă întunericul nu ar fi fost niciodată.",
    "Hungarian": "A lámpa kialudt, mielőtt a lépcsőhöz ért volna, és egy ideig senki sem szólt a házban. "
    "Aztán valaki nevetett, mintha soha nem is lett volna sötét.",
    "Russian": "Лампа погасла прежде, чем она дошла до лестницы, и какое-то время никто в доме не говорил.",
    "Greek": "Η λάμπα έσβησε πριν φτάσει στη σκάλα, και για λίγο κανείς στο σπίτι δεν είπε τίποτα.",
    "Arabic": "انطفأ المصباح قبل أن تصل إلى الدرج، ولم يقل أحد في البيت شيئا لبعض الوقت.",
    "Hindi": "सीढ़ियों तक पहुँचने से पहले ही दीपक बुझ गया और कुछ देर तक घर में किसी ने कुछ नहीं कहा।",
    "Chinese": "她还没走到楼梯口，灯就灭了，屋里的人好一会儿都没有说话。后来有人笑了起来。",
    "Japanese": "階段に着く前に明かりが消え、しばらく家の中では誰も何も言わなかった。やがて誰かが笑った。",
    "Korean": "그녀가 계단에 닿기 전에 등불이 꺼졌고, 한동안 집 안에서는 아무도 말을 하지 않았다.",
}

UNKNOWN = {
    "empty": "",
    "numbers": "12 45 100 3.14 99 12 45 100 3.14 99 12 45 100 3.14 99",
    "few words": "Yes, of course.",
    "emoji": "🙂" * 40,
    "one Chinese word": "好的",
}


@pytest.mark.parametrize("kind", ENGLISH)
def test_english(kind: str) -> None:
    assert looks_english(ENGLISH[kind]) is True
    assert looks_english(ENGLISH[kind].upper()) is True


@pytest.mark.parametrize("language", FOREIGN)
def test_other_languages(language: str) -> None:
    assert looks_english(FOREIGN[language]) is False


@pytest.mark.parametrize("kind", UNKNOWN)
def test_too_little_to_say(kind: str) -> None:
    assert looks_english(UNKNOWN[kind]) is None


def test_code_with_comments_and_prose_around_it_is_english() -> None:
    code = (
        "Here is a function that does what you ask for:\n\n```python\ndef total(rows):\n    # add up the "
        "prices of all rows that are not empty\n    return sum(row.price for row in rows if row)\n```\n\n"
        "You can call it with a list of rows."
    )
    assert looks_english(code) is True


def test_only_the_beginning_counts_and_a_megabyte_takes_no_time() -> None:
    assert looks_english(ENGLISH["prose"] * 10 + FOREIGN["German"] * 10_000) is True


def test_a_mixture_goes_by_the_larger_part() -> None:
    assert looks_english(FOREIGN["French"] * 3 + ENGLISH["headline"]) is False
    assert looks_english(ENGLISH["prose"] * 3 + FOREIGN["French"][:60]) is True
