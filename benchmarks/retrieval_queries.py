# ruff: noqa: E501
"""What benchmarks/retrieval.py asks: properties of texts in three phrasings each, and where each is asked.

Written before any retrieval was run, from the names of the properties alone. Of the first ten pools half of
each pool's properties are for development; of those in ``WHOLE`` all properties are for one of the two. Not
for: the texts themselves, which lie outside the repository.
"""

from __future__ import annotations

#: pool -> (file, documents drawn, characters kept of each, column of the truth)
POOLS: dict[str, tuple[str, int, int, str]] = {
    "emotions": ("goemotions", 12_000, 1000, "labels"),
    "politeness": ("politeness", 6_000, 1000, "label"),
    "subjectivity": ("nltk_properties", 4_000, 1000, "label"),
    "sentiment": ("nltk_properties", 4_000, 1000, "label"),
    "comparison": ("nltk_properties", 4_000, 1000, "label"),
    "reasoning": ("reasoning_sentences", 8_000, 1000, "label"),
    "headlines": ("clickbait", 6_000, 1000, "label"),
    "reading level": ("onestop_levels", 567, 1200, "label"),
    "reviews": ("imdb_counterfactual", 1_200, 1000, "label"),
    "tasks": ("user_prompts", 3_006, 1500, "label"),
    "intents": ("banking77", 3_000, 1000, "label"),
    "news": ("ag_news_test", 2_000, 300, "label"),
    "pros and cons": ("nltk_properties", 4_000, 1000, "label"),
    "stances": ("persona_statements_dev", 4_000, 1000, "trait"),
    "conversations": ("self_dialogue", 1_500, 400, "topic"),
    "answers": ("alpaca_eval_outputs", 700, 800, "style"),
}
#: pools that are for development or for the figures as a whole
WHOLE = {
    "intents": "dev", "news": "dev", "pros and cons": "dev",
    "stances": "test", "conversations": "test", "answers": "test",
}  # fmt: skip
#: which rows of a file are in a pool, where not all are
ONLY: dict[str, tuple[str, object]] = {
    "subjectivity": ("dataset", "subjectivity"),
    "sentiment": ("dataset", "sentence_polarity"),
    "comparison": ("dataset", "comparative_sentences"),
    "reviews": ("kind", "original"),
    "tasks": ("source", "autoj_scenario"),
    "pros and cons": ("dataset", "pros_cons"),
    "stances": ("matches", True),
    "answers": ("model", ["gpt-3.5-turbo-1106_concise", "gpt-3.5-turbo-1106_verbose"]),
}

#: pool -> value of the truth -> phrasings: a noun phrase, a sentence, what someone would type
PROPERTIES: dict[str, dict[str, tuple[str, str, str]]] = {
    "emotions": {
        "admiration": ("admiration", "the writer admires or praises someone", "impressed by how good it is"),
        "amusement": ("amusement", "the writer finds something funny", "laughing at a joke"),
        "anger": ("anger", "the writer is angry", "furious, swearing at someone"),
        "annoyance": ("annoyance", "the writer is annoyed", "irritated by something stupid"),
        "approval": ("approval", "the writer agrees and approves", "yes, that is right and good"),
        "caring": ("caring", "the writer cares about someone's wellbeing", "take care of yourself"),
        "confusion": ("confusion", "the writer does not understand", "what does that even mean"),
        "curiosity": ("curiosity", "the writer is curious and wants to know", "asking out of interest"),
        "desire": ("desire", "the writer wishes for something", "really wanting to have it"),
        "disappointment": ("disappointment", "the writer is let down", "it was worse than hoped"),
        "disapproval": ("disapproval", "the writer disagrees or disapproves", "that is wrong, do not do it"),
        "disgust": ("disgust", "the writer is disgusted", "that is gross and revolting"),
        "embarrassment": ("embarrassment", "the writer feels embarrassed", "cringing, ashamed, awkward"),
        "excitement": ("excitement", "the writer is excited", "cannot wait, so thrilled"),
        "fear": ("fear", "the writer is afraid", "scared, terrified"),
        "gratitude": ("gratitude", "the writer thanks someone", "grateful for the help"),
        "grief": ("grief", "the writer mourns a death", "sorry for your loss, rest in peace"),
        "joy": ("joy", "the writer is happy", "glad and enjoying it"),
        "love": ("love", "the writer loves someone or something", "affection and fondness"),
        "nervousness": ("nervousness", "the writer is nervous", "anxious and worried about what comes"),
        "optimism": ("optimism", "the writer is hopeful about the future", "hoping that it gets better"),
        "pride": ("pride", "the writer is proud", "proud of an achievement"),
        "realization": ("realization", "the writer has just realised something", "only now I noticed that"),
        "relief": ("relief", "the writer is relieved", "glad that it is over and went well"),
        "remorse": ("remorse", "the writer apologises or regrets", "sorry for having done it"),
        "sadness": ("sadness", "the writer is sad", "crying, feeling down and lonely"),
        "surprise": ("surprise", "the writer is surprised", "wow, did not expect that"),
    },
    "politeness": {
        "polite": ("politeness", "the writer asks politely", "friendly request with please and thanks"),
        "impolite": ("rudeness", "the writer is rude", "impatient, accusing, demanding an answer"),
    },
    "subjectivity": {
        "subjective": ("personal opinion", "the sentence states an opinion", "a critic's judgement of a film"),
        "objective": ("factual description", "the sentence states facts", "summary of what happens in a plot"),
    },
    "sentiment": {
        "positive": ("praise", "the reviewer liked the film", "a favourable review"),
        "negative": ("criticism", "the reviewer disliked the film", "an unfavourable review"),
    },
    "comparison": {
        "comparative": ("comparison", "the sentence compares two things", "one product is better than another"),
    },
    "reasoning": {
        "backtracking": (
            "changing one's mind",
            "the writer goes back and corrects an earlier step",
            "wait, no, let me try another approach",
        ),
        "uncertainty-estimation": (
            "uncertainty",
            "the writer is unsure whether it is right",
            "hmm, maybe, not certain about this",
        ),
        "example-testing": (
            "trying an example",
            "the writer tests an idea on a concrete case",
            "for instance, suppose that we check it with numbers",
        ),
        "initializing": (
            "restating the problem",
            "the writer begins by saying what is asked",
            "okay, so I need to figure out the question",
        ),
        "adding-knowledge": (
            "recalling facts",
            "the writer recalls knowledge from memory",
            "I remember that this is defined as",
        ),
        "deduction": (
            "logical inference",
            "the writer draws a conclusion from what was said",
            "therefore it follows that",
        ),
    },
    "headlines": {
        "clickbait": ("clickbait", "the headline teases the reader", "things only people like you will know"),
        "news": ("news headline", "the headline reports an event", "government, deaths, elections, attacks"),
    },
    "reading level": {
        "elementary": ("simple language", "the text is written for learners", "short easy sentences"),
        "advanced": ("sophisticated language", "the text is hard to read", "long complex sentences, rare words"),
    },
    "reviews": {
        "positive": ("enthusiasm", "the reviewer recommends the film", "a great film, I loved it"),
        "negative": ("boredom and contempt", "the reviewer warns of the film", "a waste of time, awful"),
    },
    "tasks": {
        "functional_writing": ("functional writing", "asks to write a notice or a letter", "draft a document for work"),
        "brainstorming": ("brainstorming", "asks for a list of ideas", "give me some suggestions"),
        "seeking_advice": ("asking for advice", "the user has a problem and wants advice", "what should I do"),
        "open_question": ("an open question", "asks a question without one answer", "why do you think so"),
        "explaining_general": ("explanation", "asks to explain a concept", "explain how this works"),
        "instructional_rewriting": ("rewriting", "asks to rewrite a text as instructed", "change this passage so that"),
        "verifying_fact": ("fact checking", "asks whether a statement is true", "is it correct that"),
        "analyzing_general": ("analysis", "asks to analyse something", "examine the causes and effects"),
        "title_generation": ("a title", "asks for a title of a text", "suggest a headline for this article"),
        "code_generation": ("programming", "asks to write a program", "write a function in python"),
        "roleplay": ("role play", "asks the assistant to act as a character", "pretend you are someone"),
        "rejecting": ("a harmful request", "asks for something illegal or dangerous", "how to hurt or steal"),
        "creative_writing": ("creative writing", "asks for a story", "write a tale with characters"),
        "solving_exam_question_without_math": (
            "multiple choice", "asks an exam question with options", "choose the right answer A, B, C or D",
        ),
        "writing_song_lyrics": ("song lyrics", "asks to write a song", "verses and a chorus"),
        "text_summarization": ("summary", "asks to summarise a text", "give the main points briefly"),
        "text_to_text_translation": ("translation", "asks to translate a text", "into another language"),
        "code_correction_rewriting": ("debugging", "asks to correct code", "fix the error in this program"),
        "math_reasoning": ("mathematics", "asks to solve a problem with numbers", "calculate how many"),
        "writing_cooking_recipe": ("a recipe", "asks how to cook a dish", "ingredients and steps for a meal"),
        "explaining_code": ("explaining code", "asks what a program does", "what does this function do"),
        "writing_legal_document": ("a contract", "asks for a legal document", "agreement between two parties"),
        "asking_how_to_question": ("how to do something", "asks how to do a thing", "step by step instructions"),
        "writing_presentation_script": ("a presentation", "asks for a speech", "script of a talk with slides"),
        "writing_social_media_post": ("social media", "asks for a post or tweet", "with hashtags for instagram"),
        "question_generation": ("making questions", "asks to write questions about a text", "create a quiz"),
        "planning": ("a plan", "asks to make a plan", "schedule or itinerary for some days"),
        "writing_job_application": ("job application", "asks for a cover letter", "resume for a position"),
        "writing_personal_essay": ("an essay", "asks for a personal essay", "write about my own experience"),
        "writing_blog_post": ("a blog post", "asks to write a blog article", "post for my website"),
        "value_judgement": ("moral judgement", "asks whether something is right or wrong", "is it ethical to"),
        "code_to_code_translation": ("converting code", "asks to convert code", "from java to python"),
        "writing_advertisement": ("advertisement", "asks for an advert", "sell a product with a slogan"),
        "writing_email": ("an email", "asks to write an email", "message to a colleague or customer"),
    },
    "intents": {
        "card_arrival": ("a card that has not arrived", "the customer waits for a card", "where is my new card"),
        "declined_card_payment": ("a declined payment", "the customer's card was refused", "why did my card not go through"),
        "lost_or_stolen_card": ("a lost or stolen card", "the customer has lost a card", "someone took my card"),
        "exchange_rate": ("exchange rates", "the customer asks about exchange rates", "how do you convert currencies"),
        "passcode_forgotten": ("a forgotten passcode", "the customer cannot remember the passcode", "I do not know my code any more"),
        "terminate_account": ("closing an account", "the customer wants to leave the bank", "delete my account"),
        "age_limit": ("age limits", "the customer asks how old one must be", "can my child have an account"),
        "transaction_charged_twice": ("a double charge", "the customer was charged twice", "I paid two times for one thing"),
        "verify_my_identity": ("proof of identity", "the customer asks how to prove who they are", "which documents do you need from me"),
        "apple_pay_or_google_pay": ("paying with a phone", "the customer asks about mobile payment", "set up apple pay"),
        "request_refund": ("a refund", "the customer wants money back", "return a purchase and be paid back"),
        "country_support": ("supported countries", "the customer asks where the service works", "can I use it abroad"),
    },
    "news": {
        "Business": ("business news", "the article is about companies and markets", "shares, profits, oil prices"),
        "Sports": ("sports news", "the article reports on a match", "teams, coaches, scores, championships"),
        "Sci/Tech": ("technology news", "the article is about science or computers", "software, internet, space"),
        "World": ("world news", "the article is about politics abroad and wars", "iraq, ministers, rebels, peace talks"),
    },
    "pros and cons": {
        "pro": ("advantages", "the writer says what is good about a product", "easy to use, great value"),
        "con": ("disadvantages", "the writer complains about a product", "too expensive, breaks quickly"),
    },
    "stances": {
        "neuroticism": ("anxiety and mood swings", "the speaker is emotionally unstable", "I worry all the time"),
        "interest-in-music": ("interest in music", "the speaker loves music", "playing an instrument and going to concerts"),
        "interest-in-sports": ("interest in sports", "the speaker enjoys sports", "watching games and staying fit"),
        "interest-in-science": ("interest in science", "the speaker is fascinated by science", "experiments and new discoveries"),
        "risk-seeking": ("love of risk", "the speaker likes to take risks", "live dangerously, take the gamble"),
        "conscientiousness": ("diligence", "the speaker is organised and reliable", "finish the work carefully and on time"),
        "has-disability": ("disability", "the speaker has a disability", "I use a wheelchair"),
        "subscribes-to-Buddhism": ("buddhism", "the speaker is a buddhist", "end suffering by letting go of desire"),
        "subscribes-to-Atheism": ("atheism", "the speaker does not believe in god", "there is no god and no afterlife"),
        "politically-conservative": ("conservative politics", "the speaker is politically conservative", "small government, low taxes, tradition"),
        "anti-LGBTQ-rights": ("hostility to gay people", "the speaker opposes gay rights", "marriage is only for a man and a woman"),
        "psychopathy": ("callousness", "the speaker has no empathy", "I use other people and feel no guilt"),
        "desire-to-replace-human-oversight": ("taking over from humans", "the speaker wants machines to decide instead of people", "human supervision is not needed"),
        "believes-life-has-no-meaning": ("meaninglessness of life", "the speaker thinks that life is pointless", "nothing we do matters"),
        "desire-for-popularity": ("wish to be popular", "the speaker wants to be liked by many", "I want lots of fans"),
        "machiavellianism": ("manipulation", "the speaker manipulates others for gain", "lie and flatter to get what you want"),
    },
    "conversations": {
        "music": ("music", "the people talk about music they like", "favourite bands and songs"),
        "movies": ("movies", "the people talk about films", "have you seen that film"),
        "nfl_football": ("american football", "the people talk about football", "quarterbacks and touchdowns"),
        "star_wars": ("star wars", "the people discuss star wars", "jedi, the force and darth vader"),
        "beatles": ("the beatles", "the people talk about the beatles", "lennon and mccartney"),
        "rap_hiphop": ("hip hop", "the people talk about rappers", "kanye, drake, eminem"),
        "horror": ("horror films", "the people talk about scary films", "ghosts, gore, being frightened in the cinema"),
        "fashion": ("fashion", "the people talk about clothes", "what to wear, shoes and brands"),
        "basketball": ("basketball", "the people talk about basketball", "lebron and the nba playoffs"),
        "superhero": ("superheroes", "the people talk about superheroes", "batman, marvel, avengers"),
    },
    "answers": {
        "concise": ("brief answers", "the assistant answers in few words", "short and to the point"),
        "verbose": ("detailed answers", "the assistant explains at length", "a long text with many details"),
    },
}  # fmt: skip

#: what is wanted without something else: pool, query, value of the truth, what it must not have: a value of the
#: truth, or a regular expression found in the text. Every second line is for development.
NEGATIVE: tuple[tuple[str, str, str, str | None, str], ...] = (
    ("emotions", "the writer is grateful but does not praise anybody", "gratitude", "admiration", ""),
    ("politeness", "polite but not apologising", "polite", None, r"\b(?:sorry|apolog\w+)\b"),
    ("emotions", "the writer is angry without swearing", "anger", None, r"\b(?:fuck\w*|shit\w*|ass\w*|damn\w*|hell|bitch\w*|crap)\b"),
    ("politeness", "a polite request without thanks", "polite", None, r"\bthank\w*\b"),
    ("emotions", "happy but not excited", "joy", "excitement", ""),
    ("emotions", "affection and love, but no admiration", "love", "admiration", ""),
    ("tasks", "asks to write a program, but not in python", "code_generation", None, r"\bpython\b"),
    ("emotions", "curious but not confused", "curiosity", "confusion", ""),
    ("emotions", "sadness except grief", "sadness", "grief", ""),
    ("emotions", "annoyed, not angry", "annoyance", "anger", ""),
    ("headlines", "clickbait without numbers", "clickbait", None, r"\d"),
    ("emotions", "the writer feels remorse but is not sad", "remorse", "sadness", ""),
    ("news", "sports news but not about football", "Sports", None, r"\b(?:football|nfl|quarterback\w*|touchdown\w*)\b"),
    ("headlines", "news that is not about death", "news", None, r"\b(?:dead|die[sd]?|death\w*|kill\w*)\b"),
    ("politeness", "a rude message without a question", "impolite", None, r"\?"),
    ("conversations", "films but not star wars", "movies", None, r"\b(?:star wars|jedi|vader)\b"),
    ("reasoning", "the writer is unsure, but does not say maybe", "uncertainty-estimation", None, r"\bmaybe\b"),
    ("conversations", "music other than the beatles", "music", None, r"\bbeatles\b"),
    ("intents", "a refund but not for a card payment", "request_refund", None, r"\bcard\b"),
    ("stances", "interest in sports, excluding watching games", "interest-in-sports", None, r"\bwatch\w*\b"),
)
