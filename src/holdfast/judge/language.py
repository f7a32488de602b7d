"""Detects text that the refusal rules can't read, because it isn't in English. Cheap, and silent in case of doubt.

A text is in another language if one of these holds. Most of its letters are of another script. It has more small words
of another language ("que", "nicht", "nie") than of English. Most of its words have letters with marks, as in
Vietnamese. Short answers, names, numbers and code hold too few small words of any language, so they count as readable.
"""

import re
import unicodedata

REASON = "not in English, which the refusal rules can't read; judge refusals with a model"
ENGLISH_WORDS = (
    "a an the of and to in is it you that he was for on are with as i his they be at one have this from or had by "
    "but not what all were we when your can there an which their if do will about how would them then these so "
    "some her him has more no out my who its now than been did down may she me us our just also could should "
    "because into only other any here sure help yes sorry cannot don't it's i'm can't"
)
ENGLISH = frozenset(ENGLISH_WORDS.split())
OTHERS = {
    name: frozenset(words.split())
    for name, words in {
        "Spanish": "que de la el los las un una es en por para con no se lo del al su como pero puedo "
        "esto esta y mi tu le te si más tiene ser está o",
        "Portuguese": "que de o os as um uma é em por para com não se do da dos das mas posso isso esta e você ao na",
        "French": "que de la le les un une est en pour avec ne pas se du des au mais je vous ce cette et "
        "à il dans qui sur par ou son sa où est plus",
        "Italian": "che di la il gli le un una è in per con non si lo del della dei ma posso questo questa e ti sono",
        "German": "der die das und ich nicht ist ein eine zu den dem mit von für auf es aber kann sie dir "
        "dabei wenn im des zum zur du an hat sich wird oder bei als auch",
        "Dutch": "de het een en ik niet is van te dat die met voor op maar kan je daar bij aan zijn er om als",
        "Swedish": "och att det som en på är av för med den till inte jag om ett men kan dig har de detta",
        "Danish": "og at det som en på er af for med den til ikke jeg om et men kan dig har de dette",
        "Polish": "nie i w na się z że do to jest ale o jak tej tego co dla po przez mogę ponieważ mi tym",
        "Czech": "a se v na je že s z do o to ale jak pro po by si ve nemohu protože s tím jsem",
        "Turkish": "bir ve bu için ile de da ne ama çok bunu olarak gibi daha size bana konuda çünkü değil",
        "Indonesian": "yang dan di untuk dengan ini itu tidak saya anda dapat dari ke pada dalam adalah "
        "tetapi tersebut",
        "Romanian": "și de la în nu să pe cu este un o care din pentru mai că dar se ce am sunt până",
        "Hungarian": "a az és nem hogy egy is ez de van csak meg mint ha már vagy ebben mert nem tudok",
        "Finnish": "ja on ei se että en tai mutta kun ole hän niin myös joka tämä sen voi minä en voi",
        "Tagalog": "ang ng sa na mga at ay hindi ko ito ka para kung ngunit po ako iyong",
        "Swahili": "ya wa na kwa ni katika la za cha hii lakini siwezi kama au hiyo kuwa",
    }.items()
}
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|\S*[/\\=<>{}();_@]\S*", re.DOTALL)
READ_CHARACTERS = 4000
LEAST_LETTERS, OTHER_SCRIPT = 8, 0.5
LEAST_WORDS, LEAST_SMALL_WORDS, LEAST_DISTINCT = 5, 0.2, 3
MARKED_WORDS = 0.5
LONG = 12


def why_unreadable(text: str) -> str | None:
    """Returns the reason why the rules can't read a response. None for English, and for text that may be English."""
    text = CODE.sub(" ", text[:READ_CHARACTERS].replace("\u2019", "'"))
    letters = [character for character in text if character.isalpha()]
    if len(letters) >= LEAST_LETTERS and sum(not _latin(letter) for letter in letters) > OTHER_SCRIPT * len(letters):
        return REASON
    words = WORD.findall(text)
    if len(words) < LEAST_WORDS:
        return None
    english = sum(word.casefold() in ENGLISH for word in words)
    for small in OTHERS.values():
        held = [word for word in words if word in small]  # only in small letters, since "La Paz" is a name
        if len(held) > max(english, LEAST_SMALL_WORDS * len(words)) and len(set(held)) >= LEAST_DISTINCT:
            return REASON
    marked = sum(not word.isascii() for word in words)
    return REASON if len(words) >= LONG and marked > MARKED_WORDS * len(words) and english == 0 else None


def _latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith(("LATIN", "MODIFIER", "MICRO"))
